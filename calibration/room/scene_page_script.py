"""The script of the page on which measured points are clicked."""

SCRIPT = r"""
"use strict";
const scene = JSON.parse(document.getElementById("scene").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("view"), pen = canvas.getContext("2d");
const HIDDEN = "hidden";
// A click is [u, v] in pixels from the centre of the upper left one, HIDDEN, or absent.
const clicks = scene.cameras.map((camera) => ({ ...camera.clicks }));
const views = scene.cameras.map(() => null); // of each image: scale, and where its corner is on the canvas
const images = scene.cameras.map((camera) => { const image = new Image(); image.onload = draw; image.src = camera.image; return image; });
const past = [];
let at = 0, current = scene.names[0], saved = true;

function set(name, value) {
  past.push([at, name, clicks[at][name]]);
  if (value === undefined) delete clicks[at][name]; else clicks[at][name] = value;
  saved = false;
}

function next() {
  const from = scene.names.indexOf(current);
  const order = scene.names.slice(from + 1).concat(scene.names.slice(0, from));
  current = order.find((name) => clicks[at][name] === undefined) ?? current;
}

function undo() {
  const last = past.pop();
  if (!last) return;
  const [camera, name, value] = last;
  if (value === undefined) delete clicks[camera][name]; else clicks[camera][name] = value;
  at = camera; current = name; saved = false;
  show();
}

function hide() { set(current, HIDDEN); next(); show(); }

function open(camera) {
  at = camera;
  current = scene.names.find((name) => clicks[at][name] === undefined) ?? scene.names[0];
  show();
}

function fit() { views[at] = null; draw(); }

function view() {
  if (!views[at]) {
    const [width, height] = scene.cameras[at].size, box = canvas.getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height);
    views[at] = { scale, x: (box.width - scale * width) / 2, y: (box.height - scale * height) / 2 };
  }
  return views[at];
}

function pixelAt(event) {
  const box = canvas.getBoundingClientRect(), { scale, x, y } = view();
  return [(event.clientX - box.left - x) / scale - 0.5, (event.clientY - box.top - y) / scale - 0.5];
}

function inside([u, v]) {
  const [width, height] = scene.cameras[at].size;
  return u >= -0.5 && v >= -0.5 && u <= width - 0.5 && v <= height - 0.5;
}

function draw() {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio); canvas.height = Math.round(box.height * ratio);
  const { scale, x, y } = view(), [width, height] = scene.cameras[at].size;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.imageSmoothingEnabled = scale < 3;
  if (images[at].complete) pen.drawImage(images[at], x, y, scale * width, scale * height);
  pen.font = "600 13px system-ui, sans-serif";
  for (const [name, click] of Object.entries(clicks[at])) {
    if (click === HIDDEN) continue;
    const u = x + scale * (click[0] + 0.5), v = y + scale * (click[1] + 0.5), now = name === current;
    for (const [colour, thick] of [["#000", 3], [now ? "#ffd23f" : "#35e07a", 1.2]]) {
      pen.strokeStyle = colour; pen.lineWidth = thick; pen.beginPath();
      for (const [a, b] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(u + 4 * a, v + 4 * b); pen.lineTo(u + 14 * a, v + 14 * b); }
      pen.stroke();
    }
    pen.lineWidth = 3; pen.strokeStyle = "#000"; pen.strokeText(name, u + 9, v - 9);
    pen.fillStyle = now ? "#ffd23f" : "#35e07a"; pen.fillText(name, u + 9, v - 9);
  }
}

function clickedIn(camera) { return scene.names.filter((name) => Array.isArray(clicks[camera][name])).length; }

function show() {
  element("cameras").replaceChildren(...scene.cameras.map((camera, index) => {
    const button = document.createElement("button");
    button.textContent = `${camera.name}  ${clickedIn(index)}/${scene.names.length}`;
    button.setAttribute("aria-pressed", index === at);
    button.onclick = () => open(index);
    return button;
  }));
  element("points").replaceChildren(...scene.names.map((name, index) => {
    const row = document.createElement("tr"), left = document.createElement("td"), right = document.createElement("td");
    const place = document.createElement("small"), click = clicks[at][name];
    place.textContent = scene.points[index].map((value) => `${value}`).join(", ") + " m";
    left.append(name, document.createElement("br"), place);
    right.textContent = click === undefined ? "" : click === HIDDEN ? "not visible" : click.map((value) => value.toFixed(1)).join(", ");
    row.setAttribute("aria-current", name === current);
    row.onclick = () => { current = name; show(); };
    row.append(left, right);
    return row;
  }));
  const open_ = scene.names.filter((name) => clicks[at][name] === undefined).length;
  element("task").textContent = open_ ? `Click "${current}" in ${scene.cameras[at].name}.` : `${scene.cameras[at].name} is complete.`;
  const few = scene.cameras.filter((camera, index) => clickedIn(index) < 4).map((camera) => camera.name);
  element("state").textContent = few.length
    ? `A camera needs four points to be found; fewer so far: ${few.join(", ")}.` : "Every camera has four points or more.";
  draw();
}

function quoted(text) { return JSON.stringify(text).replace(/\u007f/g, "\\u007f"); }

function toml() {
  const lines = scene.header.split("\n").map((line) => `# ${line}`);
  lines.push(`sigma_m = ${scene.sigma_m}`, `sigma_px = ${scene.sigma_px}`, "", "[points]");
  scene.names.forEach((name, index) => lines.push(`${quoted(name)} = [${scene.points[index].join(", ")}]`));
  const used = scene.cameras.map((camera, index) => index).filter((index) => clickedIn(index));
  lines.push("", "[image_size_px]");
  for (const index of used) lines.push(`${quoted(scene.cameras[index].name)} = [${scene.cameras[index].size.join(", ")}]`);
  for (const index of used) {
    lines.push("", `[cameras.${quoted(scene.cameras[index].name)}]`);
    for (const name of scene.names) {
      const click = clicks[index][name];
      if (Array.isArray(click)) lines.push(`${quoted(name)} = [${click.map((value) => value.toFixed(2)).join(", ")}]`);
    }
  }
  return lines.join("\n") + "\n";
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toml()], { type: "application/toml" }));
  link.download = "scene_points.toml";
  link.click();
  URL.revokeObjectURL(link.href);
  saved = true;
}

let held = null;
canvas.addEventListener("pointerdown", (event) => {
  if (event.button === 0) { held = { x: event.clientX, y: event.clientY, moved: false }; }
});
window.addEventListener("pointermove", (event) => {
  const [u, v] = pixelAt(event);
  element("where").textContent = inside([u, v]) ? `${u.toFixed(1)}, ${v.toFixed(1)}` : "";
  if (!held) return;
  const dx = event.clientX - held.x, dy = event.clientY - held.y;
  if (!held.moved && Math.hypot(dx, dy) < 4) return;
  const place = view();
  place.x += dx; place.y += dy;
  held = { x: event.clientX, y: event.clientY, moved: true };
  draw();
});
window.addEventListener("pointerup", (event) => {
  const was = held;
  held = null;
  if (!was || was.moved) return;
  const pixel = pixelAt(event);
  if (!inside(pixel)) return;
  set(current, pixel); next(); show();
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const place = view(), box = canvas.getBoundingClientRect();
  const factor = Math.min(Math.max(Math.exp(-event.deltaY / (event.deltaMode ? 10 : 300)), 0.5), 2);
  const scale = Math.min(Math.max(place.scale * factor, 0.02), 60), by = scale / place.scale;
  const x = event.clientX - box.left, y = event.clientY - box.top;
  views[at] = { scale, x: x - by * (x - place.x), y: y - by * (y - place.y) };
  draw();
}, { passive: false });
window.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase(), by = event.shiftKey ? 2 : 0.2;
  const shift = { arrowleft: [-by, 0], arrowright: [by, 0], arrowup: [0, -by], arrowdown: [0, by] }[key];
  if (shift) {
    // The point that was clicked last is meant, not the one that is next.
    const name = Array.isArray(clicks[at][current]) ? current : past.length && past[past.length - 1][0] === at ? past[past.length - 1][1] : null;
    if (name && Array.isArray(clicks[at][name])) {
      const moved = [clicks[at][name][0] + shift[0], clicks[at][name][1] + shift[1]];
      if (inside(moved)) { set(name, moved); show(); }
    }
    event.preventDefault();
  } else if (key === "s" && (event.ctrlKey || event.metaKey)) { save(); event.preventDefault(); }
  else if (key === "z") { undo(); event.preventDefault(); }
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (key === "n") hide();
  else if (key === "f") fit();
  else if (key >= "1" && key <= "9" && scene.cameras[key - 1]) open(key - 1);
});
window.addEventListener("resize", () => { views.fill(null); draw(); });
window.addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
element("hidden").onclick = hide;
element("undo").onclick = undo;
element("fit").onclick = fit;
element("save").onclick = save;
open(0);
"""
