// A score over ε: the attack (ACC with both matchings), its controls, and where we are.

const SHAPES = { attack: "●", rematched: "○", noise: "■", untrained_generator: "▲", random_direction: "■" };
const DASHES = { rematched: "5 4", untrained_generator: "2 3" };

function createCurve(panel, stage) {
  const plot = createPlot(panel, stage, { shape: 0.72, tallest: 320 });
  const key = el("p", { class: "legend" });
  const choice = el("div", { class: "choice", role: "group", "aria-label": "Score" });
  panel.append(choice, plot.drawing, key);
  let measure = "ACC", scene, colors;

  const line = ({ role, values }) => plot.line(values[measure], {
    color: roleColor(colors, role), width: role === "attack" ? 2.6 : 1.6, dash: DASHES[role] ?? "", sign: SHAPES[role] ?? "●",
  });

  function build(nextScene, nextColors) {
    [scene, colors] = [nextScene, nextColors];
    const lines = scene.lines.filter(({ values }) => values[measure]);
    plot.draw(scene, () => [...lines].reverse().flatMap(line), `${measure} over ${scene.symbol}, the attack beside its controls`);
    const measures = Object.keys(scene.lines[0].values);
    fillChoice(choice, measures.map((name) => [name, name === measure, () => { measure = name; }]), () => build(scene, colors));
    const names = { attack: `${scene.attack}`, rematched: `${scene.attack}, re-matched` };
    key.replaceChildren(...lines.map(({ role, name }) => el("span", { style: `--c:${roleColor(colors, role)}` },
      el("em", {}, SHAPES[role] ?? "●"), names[role] ?? name.replace(/_/g, " "))));
  }

  return { build, paint: plot.go, drawing: plot.drawing };
}
