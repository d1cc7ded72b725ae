// The probability of every cluster at this iteration: the clean cluster and the one the sample is in stand out.

function createBars(panel) {
  const list = el("div", { class: "bars", role: "img" });
  const note = el("p", { class: "note" });
  panel.append(list, note);
  let scene, rows = [], built = "";

  function row(cluster) {
    const [name, bar, value] = [el("span", { class: "name" }, cluster === null ? "others" : scene.clusters[cluster]),
      el("span", { class: "fill" }), el("span", { class: "value" })];
    return { cluster, bar, value, node: el("div", { class: "row" }, name, el("span", { class: "room" }, bar), value) };
  }

  function build(next) {
    scene = next;
    const rest = scene.bars.length < scene.clusters.length;
    const shape = JSON.stringify([scene.bars, scene.clusters]);
    if (shape === built) return;
    built = shape;
    rows = [...scene.bars, ...(rest ? [null] : [])].map(row);
    list.replaceChildren(...rows.map(({ node }) => node));
  }

  function paint(frame, active) {
    const at = (frame * scene.n + active) * scene.clusters.length;
    const p = Array.from(scene.probs.subarray(at, at + scene.clusters.length), (share) => share / 65535);
    const [home, now] = [scene.assigned[active], clusterAt(scene, frame, active)];
    const others = 1 - scene.bars.reduce((sum, k) => sum + p[k], 0);
    for (const { cluster, bar, value, node } of rows) {
      const share = cluster === null ? Math.max(0, others) : p[cluster];
      bar.style.width = `${100 * share}%`;
      setText(value, `${(100 * share).toFixed(1)} %`);
      node.classList.toggle("home", cluster === home);
      node.classList.toggle("away", cluster === now && now !== home);
    }
    const moved = now === home ? "" : ` ${scene.clusters[now]}, where it is now: ${(100 * p[now]).toFixed(1)} %.`;
    list.setAttribute("aria-label", `Clean cluster ${scene.clusters[home]}: ${(100 * p[home]).toFixed(1)} %.${moved}`);
    note.replaceChildren(el("span", { class: "key-clean" }, `■ ${scene.clusters[home]}`), ", its clean cluster",
      ...(now === home ? [] : [" · ", el("span", { class: "key-adversarial" }, `■ ${scene.clusters[now]}`), ", where it is now"]));
  }

  return { build, paint };
}
