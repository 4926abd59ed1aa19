// Pages that should not be able to: on another port of this machine, under another name of it, under a name that was
// made to lead here, around the page as a frame. They read nothing and control nothing. Each way of reading is tried
// against a server that lets everybody read, too, or this test could not tell a wall from a broken probe.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Browser, until } from "../page.mjs";
import { Program, withProgram } from "../program.mjs";

const READABLE = ["/v1/status", "/v1/beats", "/v1/ecg", "/session", "/"];

/** What `read` gives for a server that lets everybody in. */
const ALL_WAYS = [
  "fetch with cookies",
  "fetch without cookies",
  "fetch no-cors shows an answer",
  "script",
  "image",
  "style",
  "websocket",
  "event stream",
  "window",
];

/** Runs in a hostile page: every way to read from a server, and which of them gave something. */
async function read([target, paths, script, image, style, socket, stream]) {
  const got = new Set();
  const within = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 3000))]);
  const element = (name, fields) =>
    within(
      new Promise((done) => {
        const one = Object.assign(document.createElement(name), fields);
        one.onload = () => done(true);
        one.onerror = () => done(false);
        document.head.append(one);
      }),
    );
  for (const path of paths) {
    for (const credentials of ["include", "omit"]) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await fetch(target + path, { credentials, method }).catch(() => null);
        if (answer !== null) got.add(`fetch ${credentials === "include" ? "with" : "without"} cookies`);
      }
    }
    const blind = await fetch(target + path, { credentials: "include", mode: "no-cors" }).catch(() => null);
    if (blind !== null) got.add("fetch no-cors shows an answer");
  }
  if (await element("script", { src: target + script })) got.add("script");
  if (await element("img", { src: target + image })) got.add("image");
  if (await element("link", { rel: "stylesheet", href: target + style })) got.add("style");
  for (const protocols of [[], ["x"]]) {
    await within(
      new Promise((done) => {
        const one = new WebSocket(target.replace("http", "ws") + socket, protocols);
        one.onopen = () => {
          got.add("websocket");
          one.close();
          done();
        };
        one.onmessage = one.onopen;
        one.onerror = done;
      }),
    );
  }
  await within(
    new Promise((done) => {
      const one = new EventSource(target + stream, { withCredentials: true });
      one.onopen = () => {
        got.add("event stream");
        one.close();
        done();
      };
      one.onerror = () => {
        one.close();
        done();
      };
    }),
  );
  // A window of its own may be opened: it then must be out of reach.
  const opened = window.open(`${target}/`);
  await new Promise((done) => setTimeout(done, 1500));
  if (opened !== null) {
    if (!opened.closed) got.add("window");
    opened.close();
  }
  return [...got];
}

/** Runs in a hostile page: everything that could change something. */
async function change([target, token]) {
  const json = JSON.stringify({ token });
  for (const path of ["/session", "/v1/corrections", "/v1/patient", "/v1/sessions/1", "/v1/status"]) {
    for (const method of ["POST", "DELETE", "PUT", "PATCH"]) {
      for (const mode of ["cors", "no-cors"]) {
        for (const type of ["application/json", "text/plain", "application/x-www-form-urlencoded"]) {
          const request = {
            method,
            mode,
            credentials: "include",
            headers: { "content-type": type },
            body: json,
          };
          await fetch(target + path, request).catch(() => {});
        }
        await fetch(target + path, { method, mode, credentials: "include" }).catch(() => {});
      }
    }
    navigator.sendBeacon(target + path, new Blob([json], { type: "text/plain" }));
    for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const frame = Object.assign(document.createElement("iframe"), { name: `f${Math.random()}` });
      document.body.append(frame);
      const form = Object.assign(document.createElement("form"), {
        action: target + path,
        method: "post",
        enctype,
        target: frame.name,
      });
      // As text/plain this makes the body {"token":"...","x":"="}: valid JSON.
      form.append(
        Object.assign(document.createElement("input"), { name: `${json.slice(0, -1)},"x":"`, value: '"}' }),
      );
      document.body.append(form);
      form.submit();
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

/** A server of the attacker's. It lets everybody read all it has, and serves an empty page. */
function startServer() {
  const server = createServer((request, response) => {
    const path = request.url;
    response.setHeader("access-control-allow-origin", request.headers.origin ?? "*");
    response.setHeader("access-control-allow-credentials", "true");
    const types = {
      ".js": "text/javascript",
      ".css": "text/css",
      ".svg": "image/svg+xml",
      stream: "text/event-stream",
    };
    const ending = Object.keys(types).find((one) => path.endsWith(one));
    response.setHeader("content-type", types[ending] ?? "text/html");
    if (ending === ".svg") {
      return response.end('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>');
    }
    if (ending === "stream") return response.write("data: x\n\n");
    response.end(ending === undefined ? "<!doctype html><title>other</title><body>" : "");
  });
  server.on("upgrade", (request, raw) => {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    const chosen = request.headers["sec-websocket-protocol"];
    raw.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
        `sec-websocket-accept: ${accept}\r\n${chosen ? `sec-websocket-protocol: ${chosen}\r\n` : ""}\r\n`,
    );
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server)));
}

describe("hostile pages", withProgram, () => {
  let program;
  let browser;
  let evil;
  let lax;
  let files;
  before(async () => {
    program = await Program.start();
    evil = await startServer();
    lax = await startServer();
    browser = await Browser.start({
      flags: [
        "--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP other.example 127.0.0.1",
        // Chromium's own wall between public names and this machine: here the gateway's is tried.
        "--disable-features=LocalNetworkAccessChecks",
      ],
    });
    program.cli("web", "token", "new", "mallory", "--control");
    await browser.signIn(program);
    files = await browser.page.evaluate(() => ({
      script: new URL(document.querySelector("script[src]").src).pathname,
      style: new URL(document.querySelector("link[rel=stylesheet]").href).pathname,
    }));
  });
  after(async () => {
    await browser?.close();
    await program?.close();
    for (const server of [evil, lax]) server?.closeAllConnections();
    for (const server of [evil, lax]) server?.close();
  });

  const ways = (target) => [
    target,
    READABLE,
    files.script,
    files.style.replace(".css", ".svg"),
    files.style,
    "/v1/live",
    "/v1/stream",
  ];

  /** The one who signed in still is, and still under the name of its own token. */
  async function untouched() {
    const who = await browser.page.evaluate(async () => (await fetch("/session")).json());
    assert.equal(who.name, "page");
    const { head_sample: head } = await browser.figures();
    await until("goes on", async () => (await browser.figures()).head_sample > head + 100);
  }

  /** What a page there reads of the targets. It also tries to change things, and to sign the browser in as somebody else. */
  async function hostile(page, targets) {
    const seen = [];
    for (const target of targets) {
      seen.push(await page.evaluate(read, ways(target)));
      const token = program.token("mallory");
      await page.evaluate(change, [target, token]);
      const left = await program.signIn(token);
      assert.equal(left.status, 204, "the token was not used up by the hostile page");
    }
    await untouched();
    return seen;
  }

  test("the probes see what a server that lets everybody in has", async () => {
    const page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${evil.address().port}/`);
    const got = await page.evaluate(read, ways(`http://127.0.0.1:${lax.address().port}`));
    await page.close();
    assert.deepEqual(got.sort(), [...ALL_WAYS].sort());
  });

  test("the page itself may do all that", async () => {
    const own = await browser.page.evaluate(
      async ([paths]) => {
        const answers = [];
        for (const path of paths) answers.push((await fetch(path)).status);
        return answers;
      },
      [READABLE],
    );
    assert.deepEqual(
      own,
      READABLE.map(() => 200),
    );
  });

  for (const [name, host] of [
    ["another port of 127.0.0.1", "127.0.0.1"],
    ["another port of localhost", "localhost"],
    ["another name of this machine", "other.example"],
  ]) {
    test(`${name}: reads nothing, changes nothing`, { timeout: 180_000 }, async () => {
      const page = await browser.context.newPage();
      await page.goto(`http://${host}:${evil.address().port}/`);
      const targets = ["127.0.0.1", "localhost"].map((target) => `http://${target}:${program.port}`);
      assert.deepEqual(await hostile(page, targets), [[], []]);
      await page.close();
    });
  }

  test("signed in on 127.0.0.1 is not signed in on localhost, and one cannot read the other", async () => {
    const page = await browser.context.newPage();
    await page.goto(`http://localhost:${program.port}/`);
    await page.waitForSelector("#token");
    assert.deepEqual(await hostile(page, [`http://127.0.0.1:${program.port}`]), [[]]);
    await page.close();
  });

  test("a name that was made to lead here gets nothing but a refusal", { timeout: 180_000 }, async () => {
    const own = `http://rebound.example:${program.port}`;
    const page = await browser.context.newPage();
    // The first answer comes from the attacker's server, all others from here: to the browser it is one origin.
    await page.route(`${own}/`, (route) => route.fulfill({ contentType: "text/html", body: "<body>" }), {
      times: 1,
    });
    await page.goto(`${own}/`);
    const answers = await page.evaluate(
      async (paths) => {
        const seen = [];
        for (const path of paths) {
          const answer = await fetch(path, { credentials: "include" });
          seen.push([answer.status, await answer.text()]);
        }
        return seen;
      },
      [...READABLE, files.script, "/sign-in.js", "/metrics"],
    );
    for (const [status, text] of answers) {
      assert.equal(status, 421);
      const problem = JSON.parse(text);
      assert.equal(problem.type, "urn:problem-type:ecg-gateway:wrong-host");
      assert.deepEqual(Object.keys(problem).sort(), ["detail", "instance", "status", "title", "type"]);
    }
    // Reading by fetch is what shows the refusals above, and nothing else.
    const [seen] = await hostile(page, [own]);
    assert.deepEqual(
      seen.filter((way) => !/^fetch|^window$/.test(way)),
      [],
    );
    await page.close();
    const again = await browser.context.newPage();
    assert.equal((await again.goto(`${own}/`)).status(), 421);
    assert.equal(await again.locator("#token, canvas").count(), 0);
    await again.close();
  });

  for (const host of ["127.0.0.1", "localhost"]) {
    test(`a frame in a page of ${host} stays empty`, async () => {
      const page = await browser.context.newPage();
      await page.goto(`http://${host}:${evil.address().port}/`);
      for (const [element, field] of [
        ["iframe", "src"],
        ["object", "data"],
        ["embed", "src"],
      ]) {
        await page.evaluate(
          ([name, where, address]) => {
            const one = document.createElement(name);
            one[where] = address;
            document.body.append(one);
          },
          [element, field, `http://127.0.0.1:${program.port}/`],
        );
      }
      // The same frame from the attacker's own server is there, so frames do load.
      await page.evaluate((address) => {
        document.body.append(Object.assign(document.createElement("iframe"), { src: address }));
      }, `http://127.0.0.1:${lax.address().port}/`);
      await until("a frame", async () => {
        const titles = await Promise.all(page.frames().map((frame) => frame.title().catch(() => "")));
        return titles.filter((title) => title === "other").length >= 2;
      });
      for (const frame of page.frames()) {
        assert.equal(await frame.locator("canvas, #token, .panel").count(), 0, frame.url());
      }
      await page.close();
    });
  }

  test("the refusals are counted", async () => {
    const { connections } = await program.ask("/v1/status");
    assert.ok(connections.refused_browser > 100, `${connections.refused_browser}`);
  });
});
