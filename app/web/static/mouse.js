// Mouse motion for worlds that look around: a click on the picture catches the pointer, Escape lets it go.

/** move(dx, dy): pixels. wanted(): whether the world in play takes mouse motion. */
export function listenToMouse(stage, { move, wanted }) {
  stage.addEventListener("click", (event) => {
    if (wanted() && event.pointerType !== "touch") stage.requestPointerLock?.();
  });
  stage.addEventListener("pointermove", (event) => {
    if (document.pointerLockElement === stage && (event.movementX || event.movementY)) {
      move(event.movementX, event.movementY);
    }
  });
}
