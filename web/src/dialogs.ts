// Dialogs: how one is opened, a form in one, the keys, and the calibration of the screen.

import { button, el, say } from "./dom.js";
import type { Shortcut } from "./keys.js";
import { CSS_PX_PER_MM, mmScale, screenName } from "./scale.js";
import type { SettingsStore } from "./settings.js";

export function openDialog(title: string, ...children: Node[]): HTMLDialogElement {
  const heading = el("h2", { id: "dialog-title" }, title);
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, heading, ...children);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A form in a dialog. `act` gives null where all is done, or a sentence about what is wrong; what it throws is put into
 * words by `told`. Meanwhile it cannot be sent a second time.
 */
export function openForm(
  title: string,
  children: Node[],
  action: string,
  act: () => Promise<string | null>,
  told: (error: unknown) => string,
): HTMLDialogElement {
  const wrong = el("p", { class: "warn", role: "status" });
  const send = el("button", { type: "submit", class: "main-action" }, action);
  const form = el(
    "form",
    {},
    ...children,
    wrong,
    el(
      "p",
      { class: "actions" },
      send,
      button("Cancel", {}, () => dialog.close()),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.disabled) return;
    send.disabled = true;
    try {
      const said = await act();
      if (said === null) dialog.close();
      else say(wrong, said);
    } catch (error) {
      say(wrong, told(error));
    }
    send.disabled = false;
  });
  const dialog = openDialog(title, form);
  return dialog;
}

export function openHelp(settings: SettingsStore, shortcuts: readonly Shortcut[]): void {
  const rows = shortcuts.map((one) =>
    el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, one.shown)), el("td", {}, one.what)),
  );
  const box = el("input", { type: "checkbox", id: "shortcuts" });
  box.checked = settings.now.shortcuts;
  box.addEventListener("change", () => settings.set({ shortcuts: box.checked }));
  const close = button("Close", { class: "main-action" }, () => dialog.close());
  const dialog = openDialog(
    "Keys and help",
    el("table", { class: "keys" }, el("tbody", {}, ...rows)),
    el("label", { class: "check" }, box, "Single-key shortcuts"),
    el("h3", {}, "How to read the picture"),
    el(
      "ul",
      {},
      el(
        "li",
        {},
        "The offset is the voltage at the middle of the lane. It is a constant, and each change of it is marked.",
      ),
      el("li", {}, "Hatched stripes are gaps: there is no signal, and nothing is drawn over them."),
      el(
        "li",
        {},
        "A bar at the edge of a lane: clipped at the converter (strong) or beyond the lane (grey).",
      ),
      el("li", {}, "“Labels pending”: beats there have not been classified yet. It takes about a second."),
      el(
        "li",
        {},
        "Square V: ventricular. Triangle A: atrial. Dashed circle ?: unclassifiable. Rounded L, R: bundle branch block.",
      ),
      el("li", {}, "After 2 s without new samples the trace greys and the heart rate becomes ---."),
    ),
    close,
  );
}

const CARD_MM = 85.6;
const CARD_HEIGHT_MM = 53.98;

export function openCalibration(settings: SettingsStore): void {
  const ratio = window.devicePixelRatio;
  const screenIs = screenName(screen.width, screen.height, ratio);
  let devicePxPerMm = mmScale(settings.now.calibration, screenIs, ratio).devicePxPerMm;
  const card = el("div", { class: "bank-card" }, "bank card, 85.6 mm wide");
  const ruler = el("div", { class: "ruler" });
  const slider = el("input", {
    type: "range",
    id: "mm",
    min: 2 * ratio,
    max: 12 * ratio,
    step: 0.01 * ratio,
    "aria-describedby": "mm-now",
  });
  const now = el("p", { id: "mm-now", class: "note" });
  slider.value = String(devicePxPerMm);
  const draw = () => {
    const css = devicePxPerMm / ratio;
    card.style.width = `${CARD_MM * css}px`;
    card.style.height = `${CARD_HEIGHT_MM * css}px`;
    ruler.style.width = `${50 * css}px`;
    ruler.style.backgroundSize = `${10 * css}px 100%, ${css}px 50%`;
    say(
      now,
      `${css.toFixed(3)} CSS pixels per mm (${CSS_PX_PER_MM.toFixed(3)} where nothing was calibrated)`,
    );
  };
  const set = (value: number) => {
    devicePxPerMm = Math.min(12 * ratio, Math.max(2 * ratio, value));
    slider.value = String(devicePxPerMm);
    draw();
  };
  slider.addEventListener("input", () => set(Number(slider.value)));
  const dialog = openDialog(
    "Calibrate millimetres on this screen",
    el(
      "p",
      {},
      "Hold a bank card, or a ruler over the 50 mm scale, to the screen. Move the slider until the sizes are the same.",
    ),
    card,
    ruler,
    el("label", { for: "mm" }, "Size"),
    el(
      "div",
      { class: "slider" },
      button("−", { "aria-label": "A little smaller" }, () => set(devicePxPerMm * 0.998)),
      slider,
      button("+", { "aria-label": "A little larger" }, () => set(devicePxPerMm * 1.002)),
    ),
    now,
    el(
      "p",
      { class: "actions" },
      button("Save", { class: "main-action" }, () => {
        settings.set({ calibration: { devicePxPerMm, screen: screenIs } });
        dialog.close();
      }),
      button("Forget calibration", {}, () => {
        settings.set({ calibration: null });
        dialog.close();
      }),
      button("Cancel", {}, () => dialog.close()),
    ),
  );
  draw();
}
