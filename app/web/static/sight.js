// Whether the game is in sight, and how large its picture is then.

const CHROME_PX = 250;
const BELOW_PX = 110;
const LEAST_PX = 192;
const PADDING_PX = 16;

/** Tells the server when the page is hidden, and fits the picture to the room there is. */
export class Sight {
  constructor(client) {
    this.client = client;
    this.visible = null;
    const look = () => this.look();
    document.addEventListener("visibilitychange", look);
    document.addEventListener("fullscreenchange", look);
    window.addEventListener("resize", look);
    const observer = new ResizeObserver(look);
    observer.observe(client.root);
    observer.observe(client.stage);
  }

  /** Whether the page shows the game: not in another tab of the browser, nor of the page. */
  get now() {
    const { root } = this.client;
    return document.visibilityState === "visible" && root.isConnected && root.getClientRects().length > 0;
  }

  /** Sizes or sight changed. */
  look() {
    const { connection, inputs, picture, side, stage } = this.client;
    const visible = this.now;
    if (connection.status === "open" && visible !== (this.visible ?? true)) {
      connection.order("visible", { on: visible }).catch(() => {});
    }
    if (!visible && this.visible) inputs.release();
    if (connection.status === "open") this.visible = visible;
    if (!visible) return;
    const room = { width: stage.clientWidth, height: this.room() };
    picture.fit(room);
    side.fit(room);
    this.client.schedule();
  }

  /** How tall the picture may be, in CSS pixels: as the measures beside it, while what is below stays in sight. */
  room() {
    const { root, grid, stage, hud } = this.client;
    if (document.fullscreenElement === root) {
      return window.innerHeight - (grid.clientHeight - stage.clientHeight) - PADDING_PX;
    }
    const { panel, head } = hud;
    const beside = panel.getClientRects().length > 0 && panel.offsetLeft >= stage.offsetLeft + stage.clientWidth;
    const beside_px = beside ? panel.offsetTop + panel.scrollHeight - head.offsetTop : 0;
    const usual = window.innerHeight - Math.min(CHROME_PX, window.innerHeight * 0.4);
    return Math.max(LEAST_PX, usual, Math.min(beside_px, window.innerHeight - BELOW_PX));
  }
}
