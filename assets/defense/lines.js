// A score over ε, a line a model: the attack thick, a stronger one and the noise control thin. A ring marks up to where ACC holds.

const LOOKS = {
  attack: { width: 2.8, opacity: 1, sign: null, dash: null },
  stronger: { width: 1.6, opacity: 1, sign: "✕", dash: "3 3" },
  noise: { width: 1.5, opacity: 0.85, sign: "▫", dash: "1 4" },
};
const SWITCHES = { stronger: "Stronger attack", noise: "Noise control" };

function createLines(panel, stage) {
  const picture = svg("svg", { role: "img" });
  const key = el("div", { class: "legend" });
  const measures = el("div", { class: "choice", role: "group", "aria-label": "Score" });
  const switches = el("div", { class: "choice", role: "group", "aria-label": "Lines" });
  panel.append(el("div", { class: "choices" }, measures, switches), picture, key);
  const [left, right, top, bottom] = [38, 14, 10, 36];
  const hidden = new Set();
  let scene, colors, width, height, cursor, measure = "ACC", shown = 0;

  const x = (f) => left + (f / (scene.total - 1)) * (width - left - right);
  const y = (v) => top + (1 - Math.max(0, v)) * (height - top - bottom);

  function axes() {
    const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((v) => [
      svg("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }),
      svg("text", { class: "axis", x: left - 7, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(2).replace(/0$/, "")),
    ]);
    const last = scene.total - 1;
    const every = Math.ceil(scene.total / Math.max(2, Math.floor((width - left - right) / 64)));
    for (let f = 0; f <= last; f += every) {
      parts.push(svg("text", { class: "axis", x: x(f), y: height - 19, "text-anchor": "middle" }, epsilonText(scene.epsilons[f])));
    }
    parts.push(svg("text", { class: "axis", x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" }, "ε"));
    return parts;
  }

  function line(column, { role, values }) {
    const look = LOOKS[role];
    const [color, numbers] = [colors[column.model], values[measure]];
    const group = svg("g", { opacity: look.opacity });
    const points = numbers.map((v, f) => `${x(f)},${y(v)}`).join(" ");
    group.append(svg("polyline", { points, fill: "none", stroke: color, "stroke-width": look.width, "stroke-dasharray": look.dash ?? column.dash }));
    numbers.forEach((v, f) => group.append(svg("text", { class: `shape ${role}`, x: x(f), y: y(v), fill: color,
      "text-anchor": "middle", "dominant-baseline": "central" }, look.sign ?? column.sign)));
    if (role === "attack" && measure === "ACC" && numbers.length > 1 && column.held > 0) {
      group.append(svg("circle", { class: "held", cx: x(column.held), cy: y(numbers[column.held]), r: 10, fill: "none", stroke: color, "stroke-width": 2.2 }));
    }
    return group;
  }

  function said(column) {
    const attack = column.lines.find(({ role }) => role === "attack").values[measure];
    return `${column.name} from ${attack[0].toFixed(2)} to ${attack[attack.length - 1].toFixed(2)}`;
  }

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    width = Math.max(240, panel.clientWidth - 2);
    height = Math.max(220, Math.min(340, width * 0.5));
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom });
    const columns = scene.columns.filter(({ lines }) => lines?.length);
    const all = ["noise", "stronger", "attack"].filter((role) => !hidden.has(role));
    picture.replaceChildren(...axes(), cursor, ...all.flatMap((role) => columns.flatMap((column) =>
      column.lines.filter((one) => one.role === role).map((one) => line(column, one)))));
    picture.setAttribute("aria-label", `${measure} over ε under ${scene.attack}: ${columns.map(said).join("; ")}`);
    buttons(columns);
    const entry = (sign, color, text) => el("span", { style: `--c:${color}` }, el("em", {}, sign), text);
    const names = Object.fromEntries(columns.flatMap(({ lines }) => lines.map(({ role, name }) => [role, name])));
    key.replaceChildren(...columns.map((column) => entry(column.sign, colors[column.model], `${column.name}, ${scene.attack}`)),
      ...Object.keys(SWITCHES).filter((role) => names[role] && !hidden.has(role)).map((role) => entry(LOOKS[role].sign, colors.text, `thin: ${names[role]}`)),
      ...(measure === "ACC" && scene.frames > 1 ? [entry("◯", colors.text, "holds up to here")] : []));
  }

  function toggle(pressed, text, act) {
    const button = el("button", { type: "button", "aria-pressed": String(pressed) }, text);
    button.onclick = () => {
      act();
      build(scene, colors);
      paint(shown);
      [...panel.querySelectorAll(".choice button")].find((other) => other.textContent === text)?.focus();
    };
    return button;
  }

  function buttons(columns) {
    const roles = new Set(columns.flatMap(({ lines }) => lines.map(({ role }) => role)));
    measures.replaceChildren(...Object.keys(columns[0]?.lines[0].values ?? {}).map((name) =>
      toggle(name === measure, name, () => { measure = name; })));
    switches.replaceChildren(...Object.entries(SWITCHES).filter(([role]) => roles.has(role)).map(([role, text]) =>
      toggle(!hidden.has(role), text, () => (hidden.has(role) ? hidden.delete(role) : hidden.add(role)))));
  }

  picture.onclick = (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    stage.grab(Math.round(((at - left) / (width - left - right)) * (scene.total - 1)));
  };

  function paint(frame) {
    shown = frame;
    cursor.setAttribute("x1", x(frame));
    cursor.setAttribute("x2", x(frame));
  }
  return { build, paint, drawing: picture };
}
