// Reads what a PDF draws: the paths of each page in millimetres from its upper left corner, with their stroke colour.
// Only as much of the format as Chromium writes (no encryption, streams plain or deflated).

import { inflateSync } from "node:zlib";

const MM = 25.4 / 72;

const times = (a, b) => [
  a[0] * b[0] + a[1] * b[2],
  a[0] * b[1] + a[1] * b[3],
  a[2] * b[0] + a[3] * b[2],
  a[2] * b[1] + a[3] * b[3],
  a[4] * b[0] + a[5] * b[2] + b[4],
  a[4] * b[1] + a[5] * b[3] + b[5],
];

function readObjects(bytes) {
  const text = bytes.toString("latin1");
  const objects = new Map();
  const begin = /(\d+) 0 obj\s/g;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const from = found.index + found[0].length;
    const end = text.indexOf("endobj", from);
    const stream = text.slice(from, end).search(/stream\r?\n/);
    const dict = text.slice(from, stream < 0 ? end : from + stream);
    let data = null;
    if (stream >= 0) {
      const at = text.indexOf("\n", from + stream) + 1;
      const length = Number(/\/Length (\d+)/.exec(dict)[1]);
      data = bytes.subarray(at, at + length);
      if (/FlateDecode/.test(dict)) data = inflateSync(data);
      begin.lastIndex = at + length;
    }
    objects.set(Number(found[1]), { dict, data });
  }
  return objects;
}

/** Numbers, names and operators of a content stream; strings and arrays are passed over. */
function* tokens(data) {
  const text = data.toString("latin1");
  const one =
    /\s+|%[^\n]*|\((?:[^()\\]|\\.)*\)|<<|>>|<[^>]*>|[[\]]|\/[^\s/<>[\]()]*|[+-]?(?:\d+\.?\d*|\.\d+)|[^\s/<>[\]()]+/gs;
  for (const [found] of text.matchAll(one)) {
    if (/^\s|^%/.test(found)) continue;
    yield found;
  }
}

function draw(objects, data, resources, ctm, out) {
  const stack = [];
  let state = { ctm, stroke: "", width: 1 };
  let numbers = [];
  let name = "";
  let paths = [];
  let at = [0, 0];
  const place = (x, y) => [
    x * state.ctm[0] + y * state.ctm[2] + state.ctm[4],
    x * state.ctm[1] + y * state.ctm[3] + state.ctm[5],
  ];
  for (const token of tokens(data)) {
    if (/^[+-]?(\d|\.)/.test(token)) {
      numbers.push(Number(token));
      continue;
    }
    if (token.startsWith("/")) {
      name = token.slice(1);
      continue;
    }
    const n = numbers;
    if (token === "q") stack.push({ ...state });
    else if (token === "Q") state = stack.pop() ?? state;
    else if (token === "cm") state.ctm = times(n, state.ctm);
    else if (token === "RG") state.stroke = n.map((one) => Math.round(one * 255)).join();
    else if (token === "G")
      state.stroke = Array(3)
        .fill(Math.round(n[0] * 255))
        .join();
    else if (token === "w") state.width = n[0];
    else if (token === "m") {
      at = [n[0], n[1]];
      paths.push([place(...at)]);
    } else if (token === "l" || token === "c") {
      at = n.slice(-2);
      paths.at(-1)?.push(place(...at));
    } else if (token === "re") {
      const [x, y, w, h] = n;
      paths.push([place(x, y), place(x + w, y), place(x + w, y + h), place(x, y + h)]);
    } else if (/^(S|s|f|f\*|B|b|n)$/.test(token)) {
      if (token !== "n") out.push({ op: token, stroke: state.stroke, paths });
      paths = [];
    } else if (token === "Do") {
      const of = new RegExp(`/${name} (\\d+) 0 R`).exec(resources);
      const form = of === null ? undefined : objects.get(Number(of[1]));
      if (form !== undefined && /\/Subtype ?\/Form/.test(form.dict)) {
        const matrix = /\/Matrix ?\[([^\]]*)\]/.exec(form.dict);
        const own = matrix === null ? [1, 0, 0, 1, 0, 0] : matrix[1].trim().split(/\s+/).map(Number);
        draw(objects, form.data, form.dict, times(own, state.ctm), out);
      }
    }
    numbers = [];
  }
}

/** Pages in their order: size in millimetres, and what is drawn. */
export function readPdf(bytes) {
  const objects = readObjects(bytes);
  const pages = [];
  const visit = (number) => {
    const { dict } = objects.get(number);
    const kids = /\/Kids ?\[([^\]]*)\]/.exec(dict);
    if (kids !== null) {
      for (const [, kid] of kids[1].matchAll(/(\d+) 0 R/g)) visit(Number(kid));
      return;
    }
    const [, , w, h] = /\/MediaBox ?\[([^\]]*)\]/.exec(dict)[1].trim().split(/\s+/).map(Number);
    const contents = Number(/\/Contents (\d+) 0 R/.exec(dict)[1]);
    const drawn = [];
    draw(objects, objects.get(contents).data, dict, [MM, 0, 0, -MM, 0, h * MM], drawn);
    pages.push({ widthMm: w * MM, heightMm: h * MM, drawn });
  };
  const root = [...objects.values()].find(({ dict }) => /\/Type ?\/Catalog/.test(dict));
  visit(Number(/\/Pages (\d+) 0 R/.exec(root.dict)[1]));
  return pages;
}

/** A mark of 1 mV beside a strip: across, up, across, down, across. */
export function pulses(page) {
  return page.drawn
    .filter(({ op }) => op === "S")
    .flatMap(({ paths }) => paths)
    .filter((points) => {
      if (points.length !== 6) return false;
      const step = (i, k) => points[i + 1][k] - points[i][k];
      const flat = [0, 2, 4].every((i) => Math.abs(step(i, 1)) < 0.01 && step(i, 0) > 1);
      return flat && step(1, 1) < -1 && Math.abs(step(1, 1) + step(3, 1)) < 0.01;
    });
}
