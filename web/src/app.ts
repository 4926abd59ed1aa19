// The page: header, band, and the view that the address names.

import { NOBODY, readAccess } from "./access.js";
import { viewOf } from "./address.js";
import { onSignedOut } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, el, say } from "./dom.js";
import { Live } from "./live.js";
import { SettingsStore } from "./settings.js";
import type { View } from "./view.js";
import { liveView } from "./view-live.js";
import { reviewView } from "./view-review.js";
import { sourceBand } from "./words.js";

/** In the order of the navigation. A further view is one more entry. */
const VIEWS: readonly View[] = [liveView, reviewView];

/** A gateway that does not say who is signed in must not keep the picture back. */
const WAIT_FOR_ACCESS_MS = 700;
const ANSWER_MS = 10_000;
/** A gateway that could not say it is asked again, after twice as long each time. */
const ASK_AGAIN_MS = [1000, 10_000] as const;

function signedOut(): void {
  // Without a session the server gives the sign-in page here.
  location.replace("/");
}

/** Whoever leaves the screen must know that the next one finds it signed in. */
function notSignedOut(why: string): void {
  const dialog = openDialog(
    "Not signed out",
    el(
      "p",
      { role: "status" },
      `The gateway did not end the session (${why}). Anybody here can go on with it.`,
    ),
    button("Close", { class: "main-action" }, () => dialog.close()),
  );
}

function start(): void {
  onSignedOut(signedOut);
  const settings = new SettingsStore();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const live = new Live(`${scheme}//${location.host}/v1/live?rate=500`, signedOut);

  const who = el("span", { class: "who" });
  const links = VIEWS.map((view) => el("a", { href: `#/${view.path}` }, view.title));
  const signOut = button("Sign out", {}, () => {
    fetch("/session", {
      method: "DELETE",
      headers: { "content-type": "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then(
      // 401: nobody is signed in any more.
      (answer) => (answer.ok || answer.status === 401 ? signedOut() : notSignedOut(`${answer.status}`)),
      () => notSignedOut("no answer"),
    );
  });
  const disclaimer = el("p", { class: "disclaimer" }, "Not a medical device, no alarms");
  const patient = el("bdi", { class: "patient", hidden: true });
  const band = el("p", { class: "band", hidden: true });
  const main = el("main", { id: "view", tabindex: -1 });
  document.body.append(
    el("a", { class: "skip", href: "#view" }, "To the picture"),
    el(
      "header",
      {},
      el(
        "div",
        { class: "top" },
        el("h1", {}, "ecg-gateway"),
        el("nav", { "aria-label": "Views" }, ...links),
        patient,
        disclaimer,
        el("span", { class: "account" }, who, signOut),
      ),
      band,
    ),
    main,
  );
  document.querySelector(".skip")!.addEventListener("click", (event) => {
    // The fragment names the view; jumping must not change it.
    event.preventDefault();
    main.focus();
  });

  let leave: (() => void) | null = null;
  let shown: View | null = null;
  // The band stands over the session that is shown; another view than the live one shows another session.
  const bandNow = () => {
    const info = live.model.info;
    const text = shown === liveView ? sourceBand(info?.source ?? null) : null;
    band.hidden = text === null;
    if (text !== null) say(band, info?.origin ? `${text} (${info.origin})` : text);
    const label = shown === liveView ? (info?.patientLabel ?? null) : null;
    patient.hidden = label === null;
    say(patient, label ?? "");
  };
  live.listen(bandNow);

  const go = () => {
    const path = viewOf(location.hash);
    const view = VIEWS.find((one) => one.path === path) ?? VIEWS[0]!;
    if (view === shown && view.followsAddress === true) return;
    shown = view;
    leave?.();
    main.replaceChildren();
    document.title = `${view.title} · ecg-gateway`;
    VIEWS.forEach((one, i) => {
      if (one === view) links[i]!.setAttribute("aria-current", "page");
      else links[i]!.removeAttribute("aria-current");
    });
    leave = view.show(main, { live, settings, access });
    bandNow();
  };
  addEventListener("hashchange", go);

  let access = NOBODY;
  const begin = () => {
    if (shown === null) go();
  };
  setTimeout(begin, WAIT_FOR_ACCESS_MS);
  const askWho = (nextMs: number) => {
    fetch("/session", {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
      .then(async (answer) => {
        if (answer.status === 401) return signedOut();
        // Busy, for one. That says nothing about who is signed in, and they may do more than look.
        if (!answer.ok) throw new Error(`${answer.status}`);
        access = readAccess(await answer.json());
        say(who, `${access.name} (${access.control ? "control" : "read"})`);
        disclaimer.title = access.disclaimer;
        if (shown === null) return begin();
        // The view stands already, without what this person may do.
        shown = null;
        go();
      })
      .catch(() => {
        say(who, "who is signed in is not known, asking again");
        begin();
        setTimeout(() => askWho(Math.min(2 * nextMs, ASK_AGAIN_MS[1])), nextMs);
      });
  };
  askWho(ASK_AGAIN_MS[0]);
}

start();
