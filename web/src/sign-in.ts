// The sign-in page. A token in the address is used only when the person presses the button: a preview of the link or
// a second load must not use it up. It leaves the address bar at once.

const form = document.querySelector("form")!;
const field = document.querySelector<HTMLInputElement>("#token")!;
const message = document.querySelector("#message")!;
const pressed = document.querySelector("button")!;

const TOKEN = /^#token=(.+)$/;

function takeToken(): void {
  const found = TOKEN.exec(location.hash);
  if (found === null) return;
  history.replaceState(null, "", location.pathname);
  try {
    field.value = decodeURIComponent(found[1]!);
  } catch {
    field.value = found[1]!;
  }
  message.textContent = "The token of the address is filled in. Press “Sign in”.";
  pressed.focus();
}

async function signIn(): Promise<void> {
  // A whole address can be pasted as well.
  const token = field.value.trim().replace(/^.*#token=/, "");
  if (token === "") {
    message.textContent = "Paste a token first.";
    field.focus();
    return;
  }
  pressed.disabled = true;
  message.textContent = "Signing in …";
  try {
    const answer = await fetch("/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.status === 204) {
      location.replace("/");
      return;
    }
    const problem = (await answer.json().catch(() => ({}))) as { type?: string; detail?: string };
    message.textContent = problem.type?.endsWith(":token-not-valid")
      ? "This token is not valid: unknown, expired, already used or revoked. “ecg-gateway web token” makes a new one."
      : `Signing in failed (${answer.status}). ${problem.detail ?? ""}`;
  } catch {
    message.textContent = "The gateway does not answer.";
  }
  pressed.disabled = false;
  field.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void signIn();
});
addEventListener("hashchange", takeToken);
takeToken();
