// The canvases take their colours from the style sheet, so that a theme is written once.

export interface Colors {
  paper: string;
  blank: string;
  gridMinor: string;
  gridMajor: string;
  trace: string;
  ink: string;
  muted: string;
  hatch: string;
  normal: string;
  s: string;
  onS: string;
  v: string;
  onV: string;
  warn: string;
}

export function readColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    paper: of("--paper"),
    blank: of("--blank"),
    gridMinor: of("--grid-minor"),
    gridMajor: of("--grid-major"),
    trace: of("--trace"),
    ink: of("--ink"),
    muted: of("--muted"),
    hatch: of("--hatch"),
    normal: of("--ink"),
    s: of("--beat-s"),
    onS: of("--on-beat-s"),
    v: of("--beat-v"),
    onV: of("--on-beat-v"),
    warn: of("--warn"),
  };
}

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
