// The size of a canvas in device pixels, told whenever it changes, so that nothing is scaled on its way to the screen.

export function watchSize(
  canvas: HTMLCanvasElement,
  sized: (width: number, height: number) => void,
): () => void {
  const observer = new ResizeObserver((entries) => {
    const entry = entries.at(-1);
    if (entry === undefined) return;
    const exact = entry.devicePixelContentBoxSize?.[0];
    const ratio = window.devicePixelRatio;
    let width = Math.round(entry.contentRect.width * ratio);
    let height = Math.round(entry.contentRect.height * ratio);
    // An emulated pixel ratio is not told there: then the rounded size is the better one.
    if (
      exact !== undefined &&
      Math.abs(exact.inlineSize - width) < 2 &&
      Math.abs(exact.blockSize - height) < 2
    ) {
      width = exact.inlineSize;
      height = exact.blockSize;
    }
    if (width >= 10 && height >= 10) sized(width, height);
  });
  try {
    observer.observe(canvas, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(canvas);
  }
  return () => observer.disconnect();
}

export function fit(canvas: HTMLCanvasElement, width: number, height: number): void {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Words and letters are larger on a wall screen: the root font size over 16 px. */
export function textScale(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 || 1;
}
