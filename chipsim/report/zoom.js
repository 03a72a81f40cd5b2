"use strict";
// Zoom of rasters and traces: every .zoom shares one view (steps a to b, share c to d of each panel's height).
// Nothing is fetched, nothing is written but viewBox, labels and button states.
(function () {
  const data = JSON.parse(document.getElementById("chipsim-data").textContent);
  const NARROWEST = 3, LOWEST = 1 / 32, TICKS = 6;
  const said = new Intl.NumberFormat("en");
  const at = (path) => path.split("/").reduce((part, key) => part && part[key], data);

  document.querySelectorAll(".zoom").forEach(function (box) {
    const plots = box.querySelector(".plots"), bar = box.querySelector(".bar"), told = box.querySelector(".told");
    const panels = Array.from(box.querySelectorAll(".panel"), function (panel) {
      const [top, bottom, high, low] = panel.dataset.y.split(" ").map(Number);
      const numbers = panel.dataset.kind === "raster" ? at(panel.dataset.at) : null;
      return { panel, data: [top, bottom], limits: [high, low], svg: panel.querySelector("svg"),
               edges: panel.querySelectorAll(".edge"), neurons: numbers && numbers.neurons, raster: !!numbers };
    });
    const whole = panels[0].svg.viewBox.baseVal, x0 = whole.x, x1 = whole.x + whole.width;
    let view = { a: x0, b: x1, c: 0, d: 1, limits: false };

    function inside(low, high, least, from, to) {  // an interval moved and cut so that it lies in from..to
      const wide = Math.min(Math.max(high - low, least), to - from);
      const middle = (low + high) / 2;
      const start = Math.min(Math.max(middle - wide / 2, from), to - wide);
      return [start, start + wide];
    }

    function draw() {
      [view.a, view.b] = inside(view.a, view.b, Math.min(NARROWEST, x1 - x0), x0, x1);
      [view.c, view.d] = inside(view.c, view.d, LOWEST, 0, 1);
      panels.forEach(function (p) {
        const [top, bottom] = view.limits ? p.limits : p.data, high = bottom - top;
        const y0 = top + view.c * high, y1 = top + view.d * high;
        p.svg.setAttribute("viewBox", [view.a, y0, view.b - view.a, y1 - y0].join(" "));
        label(p, y0, y1);
      });
      box.querySelectorAll(".marks").forEach(marks);
      const first = Math.max(1, Math.ceil(view.a)), last = Math.floor(view.b);
      told.textContent = "Steps " + first + " to " + last + " of " + Math.floor(x1) +
        (view.d - view.c < 0.999 ? ", " + Math.round(100 * (view.d - view.c)) + " % of the height" : "");
      bar.querySelectorAll("[aria-pressed]").forEach((b) => b.setAttribute("aria-pressed", String(view.limits)));
    }

    function label(p, y0, y1) {
      let ends = [-y0, -y1].map((y) => Math.round(y) || 0);
      if (p.raster) {
        const rows = p.data[1];
        ends = [rows - 1 - Math.floor(y0), rows - Math.ceil(y1)];
        if (p.neurons && p.neurons.length) ends = ends.map((row) => p.neurons[row]);
      }
      ends.forEach((end, k) => { p.edges[k].textContent = said.format(end); });
    }

    function marks(place) {
      const first = Math.max(1, Math.ceil(view.a)), last = Math.floor(view.b);
      let k = 0;
      const gap = (n) => [1, 2, 5][n % 3] * Math.pow(10, Math.floor(n / 3));
      while (Math.floor((last - first) / gap(k)) >= TICKS) k += 1;
      const spans = [];
      for (let t = Math.ceil(first / gap(k)) * gap(k); t <= last; t += gap(k)) {
        const span = document.createElement("span");
        span.textContent = String(t);
        span.style.left = (100 * (t - view.a) / (view.b - view.a)) + "%";
        spans.push(span);
      }
      place.replaceChildren(...spans);
    }

    function steps(factor, middle) {  // wider by the factor about a step
      const m = middle === undefined ? (view.a + view.b) / 2 : middle;
      view.a = m - (m - view.a) * factor;
      view.b = m + (view.b - m) * factor;
      const wide = view.b - view.a;
      if (wide < NARROWEST) { view.a = m - NARROWEST / 2; view.b = m + NARROWEST / 2; }
    }
    function move(share) { const by = share * (view.b - view.a); view.a += by; view.b += by; }
    function height(factor) {
      const m = (view.c + view.d) / 2, half = (view.d - view.c) / 2 * factor;
      view.c = m - half; view.d = m + half;
    }
    function lift(share) { const by = share * (view.d - view.c); view.c += by; view.d += by; }

    const act = {
      in: () => steps(0.5), out: () => steps(2), left: () => move(-0.25), right: () => move(0.25),
      taller: () => height(0.5), flatter: () => height(2), up: () => lift(-0.25), down: () => lift(0.25),
      limits: () => { view.limits = !view.limits; },
      whole: () => { view = { a: x0, b: x1, c: 0, d: 1, limits: false }; },
    };
    const keys = { "+": "in", "=": "in", "-": "out", "_": "out", ArrowLeft: "left", ArrowRight: "right",
                   ArrowUp: "up", ArrowDown: "down", "]": "taller", "[": "flatter", l: "limits", "0": "whole",
                   Home: "whole" };

    bar.hidden = false;
    bar.addEventListener("click", function (event) {
      const button = event.target.closest("button");
      if (button) { act[button.dataset.act](); draw(); }
    });
    plots.addEventListener("keydown", function (event) {
      const name = keys[event.key];
      if (!name || !act[name] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act[name]();
      draw();
    });

    const places = () => panels[0].svg.getBoundingClientRect();
    const step = (event) => {
      const r = places();
      return view.a + (event.clientX - r.left) / r.width * (view.b - view.a);
    };
    plots.addEventListener("wheel", function (event) {  // a page scrolls on, unless the plots have the focus
      if (!event.ctrlKey && !event.metaKey && !plots.contains(document.activeElement)) return;
      event.preventDefault();
      const turn = event.deltaY || event.deltaX;
      if (event.shiftKey) height(Math.exp(turn / 400)); else steps(Math.exp(turn / 400), step(event));
      draw();
    }, { passive: false });

    const held = new Map();
    let pinched = 0;
    plots.addEventListener("pointerdown", function (event) {
      if (event.pointerType === "mouse" && event.button !== 0) return;
      held.set(event.pointerId, event);
      pinched = 0;
    });
    plots.addEventListener("pointermove", function (event) {
      const before = held.get(event.pointerId);
      if (!before) return;
      if (!plots.hasPointerCapture(event.pointerId)) plots.setPointerCapture(event.pointerId);
      held.set(event.pointerId, event);
      const both = Array.from(held.values());
      if (both.length === 2) {
        const apart = Math.max(20, Math.abs(both[0].clientX - both[1].clientX));
        if (pinched) steps(pinched / apart, (step(both[0]) + step(both[1])) / 2);
        pinched = apart;
      } else {
        const r = places();
        move((before.clientX - event.clientX) / r.width);
        if (view.d - view.c < 0.999) lift((before.clientY - event.clientY) / panels[0].svg.clientHeight);
      }
      draw();
    });
    ["pointerup", "pointercancel"].forEach((name) => plots.addEventListener(name, function (event) {
      held.delete(event.pointerId);
      pinched = 0;
    }));
    plots.addEventListener("dblclick", function (event) { steps(0.5, step(event)); draw(); });

    let kept = null;  // paper shows the whole recording
    const print = () => { if (!kept) { kept = view; act.whole(); draw(); } };
    const back = () => { if (kept) { view = kept; kept = null; draw(); } };
    window.addEventListener("beforeprint", print);
    window.addEventListener("afterprint", back);
    window.matchMedia("print").addEventListener("change", (media) => (media.matches ? print() : back()));
    draw();
  });
})();
