"use strict";
fetch("/session").then((answer) => answer.json()).then((session) => {
  document.getElementById("who").textContent = `Signed in as ${session.name}.`;
});
