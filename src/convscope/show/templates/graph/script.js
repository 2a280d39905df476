(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("network").textContent), parts = data.parts, sizes = data.sizes;
  var sheet = document.getElementById("graph"), view = document.getElementById("view"), room = sheet.parentNode;
  var details = document.getElementById("details"), SVG = "http://www.w3.org/2000/svg";
  var open = new Set(data.open), chosen = -1, scale = 1, whole = false, extent = [0, 0], boxes = [], wires = [];
  var shown = new Map(), frames = new Map();

  parts.forEach(function (part) {
    if (!part.inside) { return; }
    part.row = [];
    part.rows.forEach(function (row, r) { row.forEach(function (item) { part.row[item] = r; }); });
  });

  /* The arithmetic of convscope/show/graphs/drawing.py and layered.py: sizes to coordinates. */
  function columns(part, left, right) {
    var low = [], high = [], pairs = [], width = 0;
    part.column.forEach(function (c, i) { low[c] = Math.max(low[c] || 0, left[i]); high[c] = Math.max(high[c] || 0, right[i]); });
    part.rows.forEach(function (row) {
      for (var k = 1; k < row.length; k++) {
        pairs.push([part.column[row[k - 1]], part.column[row[k]], right[row[k - 1]] + sizes.gap + left[row[k]]]);
      }
    });
    pairs.sort(function (p, q) { return p[0] - q[0] || p[1] - q[1] || p[2] - q[2]; });
    pairs.forEach(function (p) { low[p[1]] = Math.max(low[p[1]], low[p[0]] + p[2]); });
    low.forEach(function (x, c) { width = Math.max(width, x + high[c]); });
    high = high.map(function (extent) { return width - extent; });
    pairs.reverse().forEach(function (p) { high[p[0]] = Math.min(high[p[0]], high[p[1]] - p[2]); });
    var xs = low.map(function (x, c) { return (x + high[c]) / 2; });
    pull(part, pairs, xs);
    return { x: xs, width: width };
  }

  function pull(part, pairs, xs) {
    var bends = new Set(), solid = new Set(), ends = new Map();
    part.lines.forEach(function (line) { line[3].forEach(function (bend) { bends.add(bend); }); });
    part.column.forEach(function (c, i) { if (!bends.has(i)) { solid.add(c); } });
    part.lines.forEach(function (line) {
      line[3].forEach(function (bend) {
        var c = part.column[bend];
        if (!solid.has(c)) { ends.set(c, (ends.get(c) || []).concat([line[1]].concat(line[2]).map(function (i) { return part.column[i]; }))); }
      });
    });
    function wanted(c) { return ends.get(c).reduce(function (sum, end) { return sum + xs[end]; }, 0) / ends.get(c).length; }
    var order = Array.from(ends.keys()).sort(function (p, q) { return q - p; });
    order.forEach(function (c) {
      var limit = pairs.reduce(function (least, p) { return p[0] === c ? Math.min(least, xs[p[1]] - p[2]) : least; }, Infinity);
      xs[c] = Math.max(xs[c], Math.min(wanted(c), limit));
    });
    order.reverse().forEach(function (c) {
      var limit = pairs.reduce(function (most, p) { return p[1] === c ? Math.max(most, xs[p[0]] + p[2]) : most; }, -Infinity);
      xs[c] = Math.min(xs[c], Math.max(wanted(c), limit));
    });
  }

  function routes(part, line) {
    return line[2].map(function (target) {
      return [line[1]].concat(line[3].slice(0, part.row[target] - part.row[line[1]] - 1), [target]);
    });
  }

  function measured(number) {
    var part = parts[number];
    if (!part.inside || !open.has(number)) { return { width: sizes.card, height: part.height, anchor: sizes.card / 2 }; }
    var top = part.in.length, laid = part.inside.map(measured), half = sizes.bend / 2;
    var left = part.column.map(function () { return half; }), right = left.slice(), high = left.map(function () { return 0; });
    laid.forEach(function (one, k) { left[top + k] = one.anchor; right[top + k] = one.width - one.anchor; high[top + k] = one.height; });
    var found = columns(part, left, right), pad = number ? sizes.pad : 0;
    var side = pad + Math.max(0, (sizes.card - found.width) / 2);
    var x = part.column.map(function (c) { return found.x[c] + side; }), rows = placed(part, number, x, high);
    laid.forEach(function (one, k) { one.dx = x[top + k] - one.anchor; one.dy = rows.top[part.row[top + k]]; });
    return {
      width: found.width + 2 * side, height: rows.bottom[rows.bottom.length - 1] + (part.out.length ? 0 : pad),
      anchor: top ? x[top - 1] : found.width / 2 + side, inside: laid, x: x, top: rows.top, bottom: rows.bottom
    };
  }

  function placed(part, number, x, high) {
    var widest = part.rows.map(function () { return 0; }), y = number ? sizes.head : 0, top = [], bottom = [];
    part.lines.forEach(function (line) {
      routes(part, line).forEach(function (route) {
        for (var k = 1; k < route.length; k++) {
          var r = part.row[route[k - 1]];
          widest[r] = Math.max(widest[r], Math.abs(x[route[k - 1]] - x[route[k]]));
        }
      });
    });
    part.rows.forEach(function (row, r) {
      var space = r === part.rows.length - 2 && part.out.length ? "exit" : r === 0 && part.in.length ? "entry" : "space";
      top.push(y);
      bottom.push(y + Math.max.apply(null, row.map(function (item) { return high[item]; })));
      y = bottom[r] + sizes[space] + Math.min(sizes.steepest, sizes.slope * widest[r]);
    });
    return { top: top, bottom: bottom };
  }

  function port(number, laid, value, entry) {
    var part = parts[number];
    if (!laid.inside) { return laid.width / 2; }
    return laid.x[entry ? part.in.indexOf(value) : part.in.length + part.inside.length + part.out.indexOf(value)];
  }

  function place(number, laid, x, y) {
    var part = parts[number], top = part.in.length, count = part.inside.length, leaving = new Map();
    laid.inside.forEach(function (one, k) {
      boxes.push({ part: part.inside[k], x: x + one.dx, y: y + one.dy, width: one.width, height: one.height, open: !!one.inside });
      if (one.inside) { place(part.inside[k], one, x + one.dx, y + one.dy); }
    });
    part.lines.forEach(function (line) {
      routes(part, line).forEach(function (route) { wires.push(wire(number, laid, line[0], route, x, y)); });
      var one = laid.inside[line[1] - top];
      if (one && !one.inside) { leaving.set(one, (leaving.get(one) || new Set()).add(data.shapes[line[0]])); }
    });
    leaving.forEach(function (shapes, one) {
      wires.push({ text: Array.from(shapes).join(" · "), x: x + one.dx + one.width / 2 + 7, y: y + one.dy + one.height + 17 });
    });
  }

  function wire(number, laid, value, route, x, y) {
    var part = parts[number], top = part.in.length, count = part.inside.length, end = route[route.length - 1];
    var source = route[0] - top, target = end - top, a = laid.inside[source], b = target < count ? laid.inside[target] : null;
    var points = [a ? [a.dx + port(part.inside[source], a, value, false), a.dy + a.height] : [laid.x[route[0]], 0]];
    points.push([points[0][0], laid.bottom[part.row[route[0]]]]);
    route.slice(1, -1).forEach(function (item) {
      points.push([laid.x[item], laid.top[part.row[item]]], [laid.x[item], laid.bottom[part.row[item]]]);
    });
    if (b) { points.push([b.dx + port(part.inside[target], b, value, true), b.dy]); }
    else { points.push([laid.x[end], laid.top[part.row[end]]], [laid.x[end], laid.height]); }
    return {
      value: value, around: number, source: a ? part.inside[source] : -1, target: b ? part.inside[target] : -1,
      arrow: !!b && !b.inside, points: points.map(function (p) { return [p[0] + x, p[1] + y]; })
    };
  }

  function path(points) {
    return points.slice(1).reduce(function (words, to, k) {
      var from = points[k], middle = (from[1] + to[1]) / 2;
      if (to[0] === from[0]) { return to[1] === from[1] ? words : words + "V" + to[1].toFixed(1); }
      return words + "C" + from[0].toFixed(1) + " " + middle.toFixed(1) + " " + to[0].toFixed(1) + " " + middle.toFixed(1) +
        " " + to[0].toFixed(1) + " " + to[1].toFixed(1);
    }, "M" + points[0][0].toFixed(1) + " " + points[0][1].toFixed(1));
  }

  /* Drawing: elements are kept, so that they move to where they belong. Names only ever become text. */
  function make(name, class_, text) {
    var made = document.createElement(name);
    if (class_) { made.className = class_; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }

  function both(key) {
    var made = document.createDocumentFragment();
    ["en", "zh"].forEach(function (language) {
      var word = make("span", "", data.words[key][language]);
      word.lang = language;
      made.append(word);
    });
    return made;
  }

  function card(number, unfolded) {
    var part = parts[number], button = shown.get(number) || make("button"), low = part.height < 30 && !unfolded;
    button.type = "button";
    button.dataset.part = number;
    button.className = unfolded ? "head" : part.inside ? "module" : "leaf";
    button.classList.toggle("chosen", number === chosen);
    var first = make("span", "line"), second = make("span", "line");
    if (part.inside) { first.append(make("span", "fold", unfolded ? "▾" : "▸")); button.setAttribute("aria-expanded", String(unfolded)); }
    first.append(make("b", "", part.label));
    if (unfolded) { first.append(make("small", "", part.kind)); button.replaceChildren(first); return button; }
    var said = make("small", "", [part.kind === part.label ? "" : part.kind, part.options].filter(Boolean).join(", "));
    if (part.layers) { said.append((part.kind ? ", " : "") + part.layers + " ", both("layers")); }
    if (low && said.textContent) { said.classList.add("right"); first.append(said); }
    if (!low) { first.append(make("small", "right", part.counts)); second.append(said); }
    var share = make("span", "share");
    ["bar-parameters", "bar-macs"].forEach(function (class_, k) {
      var bar = make("i", part.shares[k] ? class_ : "");
      bar.style.width = 100 * part.shares[k] + "%";
      share.append(bar);
    });
    button.replaceChildren(make("span", "stripe f-" + part.family), first);
    if (!low) { button.append(second); }
    if (part.shares[0] || part.shares[1]) { button.append(share); }
    return button;
  }

  function stand(element, box, height) {
    element.style.left = box.x + "px"; element.style.top = box.y + "px";
    element.style.width = box.width + "px"; element.style.height = height + "px";
  }

  function keep(map, number, element, at) {
    map.set(number, element);
    if (at ? at.nextSibling !== element : sheet.firstChild !== element) { sheet.insertBefore(element, at ? at.nextSibling : sheet.firstChild); }
    return element;
  }

  function draw() {
    var focused = document.activeElement, laid = measured(0), seen = new Set(), at = null;
    boxes = []; wires = [];
    place(0, laid, 0, 0);
    extent = [laid.width, laid.height];
    boxes.forEach(function (box) { if (box.open) { at = keep(frames, box.part, frames.get(box.part) || make("div", "frame"), at); stand(at, box, box.height); } });
    var drawing = sheet.querySelector("svg") || document.createElementNS(SVG, "svg");
    if (at ? at.nextSibling !== drawing : sheet.firstChild !== drawing) { sheet.insertBefore(drawing, at ? at.nextSibling : sheet.firstChild); }
    ink(drawing);
    at = drawing;
    boxes.forEach(function (box) {
      seen.add(box.part);
      at = keep(shown, box.part, card(box.part, box.open), at);
      stand(at, box, box.open ? sizes.head : box.height);
    });
    shown.forEach(function (element, number) { if (!seen.has(number)) { element.remove(); shown.delete(number); } });
    frames.forEach(function (element, number) { if (!seen.has(number) || !open.has(number)) { element.remove(); frames.delete(number); } });
    if (focused && focused !== document.activeElement && sheet.contains(focused)) { focused.focus({ preventScroll: true }); }
    zoom();
  }

  function ink(drawing) {
    drawing.setAttribute("class", "wires");
    drawing.setAttribute("aria-hidden", "true");
    drawing.setAttribute("width", extent[0]); drawing.setAttribute("height", extent[1]);
    drawing.style.width = extent[0] + "px"; drawing.style.height = extent[1] + "px";
    var texts = [], marker = document.createElementNS(SVG, "marker"), tip = document.createElementNS(SVG, "path");
    [["id", "arrow"], ["viewBox", "0 0 7 7"], ["refX", "6.5"], ["refY", "3.5"], ["markerWidth", "6"], ["markerHeight", "6"], ["orient", "auto"],
      ["markerUnits", "userSpaceOnUse"]].forEach(function (pair) { marker.setAttribute(pair[0], pair[1]); });
    tip.setAttribute("d", "M0 0L7 3.5L0 7z");
    marker.append(tip);
    drawing.replaceChildren(marker);
    wires.forEach(function (one) {
      var made = document.createElementNS(SVG, one.text ? "text" : "path");
      if (one.text) {
        made.setAttribute("x", one.x); made.setAttribute("y", one.y); made.textContent = one.text;
        texts.push(made);
        return;
      }
      made.setAttribute("d", path(one.points));
      if (one.arrow) { made.setAttribute("marker-end", "url(#arrow)"); }
      if (lit(one)) { made.setAttribute("class", "lit"); }
      drawing.append(made);
    });
    drawing.append.apply(drawing, texts);
  }

  /* Whether an edge belongs to what is chosen: it starts inside, or ends inside. */
  function lit(one) {
    if (chosen < 1) { return false; }
    var part = parts[chosen];
    function has(p, leaf) { return parts[p].first <= leaf && leaf <= parts[p].last; }
    function within(p) { return p >= 0 && part.first <= parts[p].first && parts[p].last <= part.last; }
    if (within(one.around) && one.around) { return false; }
    if (has(chosen, one.value)) { return !within(one.target); }
    var read = false;
    for (var leaf = part.first; leaf <= part.last && !read; leaf++) { read = data.sources[leaf].indexOf(one.value) >= 0; }
    return read && (one.target < 0 ? !has(one.around, part.first) : has(one.target, part.first));
  }

  function zoom() {
    var free = view.clientWidth - 8;
    scale = whole ? Math.min(1, free / extent[0]) : Math.max(.62, Math.min(1, free / extent[0]));
    sheet.style.transform = scale === 1 ? "" : "scale(" + scale + ")";
    sheet.style.width = extent[0] + "px"; sheet.style.height = extent[1] + "px";
    room.style.width = extent[0] * scale + "px"; room.style.height = extent[1] * scale + "px";
  }

  function show(number) {
    var part = parts[number], list = make("dl"), close = make("button", "close", "×");
    function row(name, text, option) {
      if (text === "" || text === undefined) { return; }
      var term = make("dt", option ? "option" : "", option ? name : undefined);
      if (!option) { term.append(both(name)); }
      list.append(term, make("dd", "", text));
    }
    row(part.inside ? "class" : "kind", part.kind);
    row("layers", part.layers || "");
    row("reads", (part.inside ? part.in.map(function (v) { return data.shapes[v]; }) : data.sources[part.first].map(function (v) { return data.shapes[v]; })).join(" · "));
    row("output", part.output);
    row("parameters", part.parameters ? part.parameters.toLocaleString("en") : "");
    row("macs", part.macs ? part.macs.toLocaleString("en") : "");
    part.details.forEach(function (pair) { if (pair[0].slice(0, 7) === "option ") { row(pair[0].slice(7), pair[1], true); } else { row(pair[0], pair[1]); } });
    if (part.uncounted) { list.append(make("dt"), make("dd")); list.lastChild.append(both("uncounted")); }
    close.type = "button";
    close.setAttribute("aria-label", data.words.close[document.documentElement.lang] || "Close");
    close.addEventListener("click", function () { choose(-1); });
    details.replaceChildren(make("h2", "", part.path), close, list);
  }

  function choose(number) {
    var before = shown.get(chosen), now = shown.get(number);
    chosen = number;
    if (before) { before.classList.remove("chosen"); }
    if (now) { now.classList.add("chosen"); }
    details.hidden = number < 1;
    if (number >= 1) { show(number); }
    ink(sheet.querySelector("svg"));
  }

  function fold(number, unfold) {
    var button = shown.get(number), before = button && button.getBoundingClientRect();
    if (unfold) { open.add(number); } else { open.delete(number); }
    draw();
    var after = boxes.find(function (box) { return box.part === number; });
    if (before && after) {  /* what was chosen stays under the pointer */
      var corner = sheet.getBoundingClientRect();
      scrollBy({ top: corner.top + after.y * scale - before.top, behavior: "instant" });
      view.scrollLeft += corner.left + after.x * scale + (after.width * scale - before.width) / 2 - before.left;
    }
  }

  function reveal(number) {
    for (var up = parts[number].up; up > 0; up = parts[up].up) { open.add(up); }
    draw();
    choose(number);
    var button = shown.get(number);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "center", inline: "center" });
  }

  sheet.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    var number = +button.dataset.part;
    choose(number);
    if (parts[number].inside) { fold(number, !open.has(number)); }
  });
  sheet.addEventListener("keydown", function (event) {
    var button = event.target.closest("button"), number = button ? +button.dataset.part : -1, go = -1;
    if (number < 0) { return; }
    var place = boxes.findIndex(function (box) { return box.part === number; });
    if (event.key === "ArrowDown" && boxes[place + 1]) { go = boxes[place + 1].part; }
    else if (event.key === "ArrowUp" && boxes[place - 1]) { go = boxes[place - 1].part; }
    else if (event.key === "ArrowRight" && parts[number].inside) { if (open.has(number)) { go = parts[number].inside[0]; } else { choose(number); fold(number, true); } }
    else if (event.key === "ArrowLeft" && open.has(number)) { fold(number, false); }
    else if (event.key === "ArrowLeft" && parts[number].up > 0) { go = parts[number].up; }
    else if (event.key === "Escape") { choose(-1); }
    else { return; }
    event.preventDefault();
    if (go >= 0) { shown.get(go).focus({ preventScroll: true }); shown.get(go).scrollIntoView({ block: "nearest", inline: "nearest" }); choose(go); }
  });

  function depth(number) { var found = 0; for (; number > 0; number = parts[number].up) { found++; } return found; }
  document.getElementById("more").addEventListener("click", function () {
    boxes.forEach(function (box) { if (parts[box.part].inside) { open.add(box.part); } });
    draw();
  });
  document.getElementById("less").addEventListener("click", function () {
    var depths = boxes.filter(function (box) { return box.open; }).map(function (box) { return depth(box.part); });
    var deepest = Math.max.apply(null, depths.concat(0));
    Array.from(open).forEach(function (number) { if (number && depth(number) >= deepest) { open.delete(number); } });
    draw();
  });
  document.getElementById("first").addEventListener("click", function () { open = new Set(data.open); choose(-1); draw(); centre(); });
  document.getElementById("fit").addEventListener("click", function () { whole = !whole; this.setAttribute("aria-pressed", String(whole)); zoom(); });
  document.getElementById("find").addEventListener("change", function () {
    var text = this.value.trim().toLowerCase(), from = chosen > 0 ? chosen : 0, count = parts.length, found = -1;
    for (var k = 1; k <= count && found < 0 && text; k++) {
      var number = (from + k) % count;
      if (number && parts[number].path.toLowerCase().indexOf(text) >= 0) { found = number; }
    }
    parts.forEach(function (part, number) { if (number && part.path.toLowerCase() === text) { found = number; } });
    this.setCustomValidity(found < 0 && text ? data.words.nothing[document.documentElement.lang] : "");
    this.reportValidity();
    if (found > 0) { reveal(found); }
  });
  document.getElementById("find").addEventListener("input", function () { this.setCustomValidity(""); });

  function centre() { view.scrollLeft = boxes.length ? (boxes[0].x + boxes[0].width / 2) * scale - view.clientWidth / 2 : 0; }
  var names = document.createDocumentFragment();
  parts.slice(1, 3000).forEach(function (part) { var option = make("option"); option.value = part.path; names.append(option); });
  document.getElementById("names").append(names);
  document.querySelector(".tools").hidden = false;
  document.querySelector(".legend").open = matchMedia("(min-width: 62rem)").matches;
  draw();
  centre();
  addEventListener("resize", zoom);
  addEventListener("beforeprint", function () { sheet.style.transform = "scale(" + Math.min(1, 680 / extent[0]) + ")"; });
  addEventListener("afterprint", zoom);
})();
