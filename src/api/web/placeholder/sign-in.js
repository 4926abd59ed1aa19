"use strict";
const field = document.getElementById("token");
const shown = /^#token=([0-9a-f]{64})$/.exec(location.hash);
if (shown) {
  field.value = shown[1];
  history.replaceState(null, "", "/");
}
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = field.value.trim().replace(/^.*#token=/, "");
  const answer = await fetch("/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (answer.ok) {
    location.replace("/");
    return;
  }
  const problem = await answer.json();
  document.getElementById("said").textContent = `${problem.title}: ${problem.detail}`;
});
