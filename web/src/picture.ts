// What the canvases draw from: the running model, or a copy of it that stands still.

import type { Shifts } from "./offset.js";
import type { Beat, Gap, SessionInfo } from "./protocol.js";
import type { Ring } from "./ring.js";
import type { Mark, Model } from "./session.js";

export interface Picture {
  info: SessionInfo | null;
  ring: Ring | null;
  shifts: readonly Shifts[];
  beats: Beat[];
  gaps: readonly Gap[];
  marks: readonly Mark[];
}

/** A label that comes for something in a frozen picture still belongs to it. */
export function addLate(picture: Picture, beat: Beat): void {
  const at = picture.beats.findIndex((one) => one.rSample >= beat.rSample);
  if (at < 0) picture.beats.push(beat);
  else if (picture.beats[at]!.rSample === beat.rSample) picture.beats[at] = beat;
  else picture.beats.splice(at, 0, beat);
}

/** A copy for the frozen picture: 60 s of ECG whatever comes meanwhile. */
export function still(model: Model): Picture {
  return {
    info: model.info,
    ring: model.ring?.copy() ?? null,
    shifts: model.shifts.map((shifts) => shifts.copy()),
    beats: [...model.beats],
    gaps: model.gaps.map((gap) => ({ ...gap })),
    marks: [...model.marks],
  };
}
