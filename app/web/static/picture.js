// The canvas: pictures are decoded off the page's own thread, the newest wins, and every pixel stays as it was sent.

import { fit } from "./layout.js";

const TYPES = { png: "image/png", webp: "image/webp", jpeg: "image/jpeg" };
const WEBP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==";

/** The picture formats that this browser decodes. */
export async function decodable() {
  try {
    const bytes = Uint8Array.from(atob(WEBP), (letter) => letter.charCodeAt(0));
    (await createImageBitmap(new Blob([bytes], { type: TYPES.webp }))).close();
    return ["webp", "png", "jpeg"];
  } catch {
    return ["png", "jpeg"];
  }
}

/** Shows frames on a canvas of the picture's own size, which the style sheet magnifies without smoothing. */
export class Picture {
  /** drawn(header): a frame is on the canvas. broken(header, error): its picture could not be decoded. */
  constructor(canvas, { drawn, broken }) {
    Object.assign(this, { canvas, drawn, broken });
    this.context = canvas.getContext("2d", { alpha: false, desynchronized: false });
    this.waiting = null;
    this.busy = false;
    this.size = { width: canvas.width, height: canvas.height };
  }

  /** Draw a frame as soon as it is decoded, unless a newer one comes before. */
  show(header, bytes) {
    this.waiting = { header, bytes };
    if (!this.busy) this.run();
  }

  /** Forget what waits: the next frame is of another connection. */
  forget() {
    this.waiting = null;
  }

  async run() {
    this.busy = true;
    while (this.waiting) {
      const { header, bytes } = this.waiting;
      this.waiting = null;
      try {
        const blob = new Blob([bytes], { type: TYPES[header.codec] });
        this.draw(header, await createImageBitmap(blob, { colorSpaceConversion: "none" }));
      } catch (error) {
        this.broken(header, error);
      }
    }
    this.busy = false;
  }

  draw(header, bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    this.size = { width: bitmap.width, height: bitmap.height };
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    for (const name of ["index", "seq", "cursor", "paused"]) canvas.dataset[name] = String(header[name]);
    this.drawn(header);
  }

  /** Scale to the largest whole number of screen pixels that fits `room` (CSS pixels). */
  fit(room) {
    const { width, height } = fit(this.size, room, window.devicePixelRatio || 1);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
  }

  /** The frame on the canvas as it was sent: {width, height, data}, three bytes a pixel. */
  pixels() {
    const { width, height } = this.canvas;
    const source = this.context.getImageData(0, 0, width, height).data;
    const data = new Uint8Array(width * height * 3);
    for (let k = 0; k < width * height; k += 1) data.set(source.subarray(4 * k, 4 * k + 3), 3 * k);
    return { width, height, data };
  }

  /** The frame as a PNG, each pixel `scale` times as large: a Blob. */
  async png(scale = 4) {
    const { width, height } = this.canvas;
    const large = new OffscreenCanvas(width * scale, height * scale);
    const context = large.getContext("2d", { alpha: false });
    context.imageSmoothingEnabled = false;
    context.drawImage(this.canvas, 0, 0, width * scale, height * scale);
    return large.convertToBlob({ type: "image/png" });
  }
}
