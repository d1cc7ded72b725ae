// A plot of numbers from 0 to 1 over ε: its axes, the places of its points, the cursor, and a click that goes to an ε.

const MARGINS = { left: 38, right: 14, top: 10, bottom: 36 };
const LABEL_ROOM = 64; // pixels an ε's label needs

function createPlot(panel, stage, { shape, tallest }) {
  const { left, right, top, bottom } = MARGINS;
  const drawing = svg("svg", { role: "img" });
  const cursor = svg("line", { class: "cursor" });
  let scene, width, height, at = 0;
  const x = (f) => left + (f / (scene.total - 1)) * (width - left - right);
  const y = (v) => top + (1 - Math.max(0, v)) * (height - top - bottom);

  function axes() {
    const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((v) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }),
      svg("text", { class: "axis", x: left - 7, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(2).replace(/0$/, "")),
    ]);
    const every = Math.ceil(scene.total / Math.max(2, Math.floor((width - left - right) / LABEL_ROOM)));
    for (let f = 0; f < scene.total; f += every) {
      parts.push(svg("text", { class: "axis", x: x(f), y: height - 19, "text-anchor": "middle" }, epsilonText(scene.epsilons[f])));
    }
    parts.push(svg("text", { class: "axis", x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, scene.symbol ?? "ε"));
    return parts;
  }

  // A line through `values` with a sign at each.
  function line(values, { color, width: thick, dash, sign, class: name = "shape" }) {
    const points = values.map((v, f) => `${x(f)},${y(v)}`).join(" ");
    return [
      svg("polyline", { points, fill: "none", stroke: color, "stroke-width": thick, "stroke-dasharray": dash }),
      ...values.map((v, f) => svg("text", { class: name, x: x(f), y: y(v), fill: color, "text-anchor": "middle",
        "dominant-baseline": "central" }, sign)),
    ];
  }

  // Fit the panel; `content` then gives what is drawn between axes and cursor.
  function draw(next, content, label) {
    scene = next;
    width = Math.max(220, panel.clientWidth - 2);
    height = Math.max(200, Math.min(tallest, width * shape));
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("aria-label", label);
    cursor.setAttribute("y1", top);
    cursor.setAttribute("y2", height - bottom);
    drawing.replaceChildren(...axes(), cursor, ...content());
    go(at);
  }

  drawing.onclick = (event) => {
    const box = drawing.getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    stage.grab(Math.round(((across - left) / (width - left - right)) * (scene.total - 1)));
  };

  function go(frame) {
    at = frame;
    cursor.setAttribute("x1", x(frame));
    cursor.setAttribute("x2", x(frame));
  }
  return { drawing, x, y, line, draw, go };
}

// A row of buttons that stay pressed; `options` are [text, pressed, act]. Where the hand was it stays.
function fillChoice(choice, options, redraw) {
  choice.replaceChildren(...options.map(([text, pressed, act]) => {
    const button = el("button", { type: "button", "aria-pressed": String(pressed) }, text);
    button.onclick = () => {
      act();
      redraw();
      [...choice.children].find((other) => other.textContent === text)?.focus();
    };
    return button;
  }));
}
