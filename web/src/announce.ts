// What a screen reader says by itself: the heart rate at most every ten seconds, what is wrong at once.

import { el, say } from "./dom.js";

const HEART_RATE_EVERY_MS = 10_000;

export class Announcer {
  readonly element: HTMLElement;
  private readonly rate = el("p", { "aria-live": "polite", "aria-atomic": "true" });
  private readonly alert = el("p", { role: "status", "aria-live": "polite", "aria-atomic": "true" });
  private saidRateMs = Number.NEGATIVE_INFINITY;

  constructor() {
    this.element = el("div", { class: "only-spoken" }, this.rate, this.alert);
  }

  heartRate(text: string, nowMs: number): void {
    if (nowMs - this.saidRateMs < HEART_RATE_EVERY_MS || this.rate.textContent === text) return;
    this.saidRateMs = nowMs;
    say(this.rate, text);
  }

  trouble(text: string): void {
    say(this.alert, text);
  }
}
