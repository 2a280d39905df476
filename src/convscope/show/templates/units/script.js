(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("index").textContent), words = data.words;
  var list = document.getElementById("units"), room = list.firstElementChild, count = document.getElementById("count");
  var find = document.getElementById("find"), order = document.getElementById("order"), layer = document.getElementById("layer");
  var FLAGS = { dead: 1, saturated: 2, redundant: 4 }, EXTRA = 4;
  var wide = data.columns - 1, high = data.down - 1;
  var names = [], layerOf = [], unitOf = [], labels = [], chosen = [], rows = new Map(), height = 0;

  data.layers.forEach(function (entry, k) {
    var option = document.createElement("option");
    option.value = k; option.textContent = entry[0]; layer.appendChild(option);
    for (var u = 0; u < entry[1]; u++) {
      layerOf.push(k); unitOf.push(u); names.push(entry[0] + ":" + u); labels.push(entry[2][u] || "");
    }
  });
  var lower = names.map(function (name, i) { return (name + " " + labels[i] + " " + leading(i) + " " + (data.ngrams[i] || []).join(" ")).toLowerCase(); });

  function leading(i) { return data.common[i][0] < 0 ? "" : data.classes[data.common[i][0]]; }
  function say(key, values) {
    var language = document.documentElement.lang === "zh" ? "zh" : "en";
    return words[key][language].replace(/\{(\w+)\}/g, function (whole, name) { return values && name in values ? values[name] : whole; });
  }
  function part(name, kind, text) {
    var made = document.createElement(name);
    if (kind) { made.className = kind; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  function correlation(i) { return data.partners[i] ? data.partners[i][1] : -1; }
  var KEYS = {
    peak: function (i) { return -data.peaks[i]; },
    inactive: function (i) { return -data.inactive[i]; },
    active: function (i) { return data.inactive[i]; },
    correlation: function (i) { return -correlation(i); },
    common: function (i) { return data.common[i][0] < 0 ? 1 : -data.common[i][1] / data.common[i][2]; }
  };

  function choose() {
    var text = find.value.trim().toLowerCase(), only = +layer.value, counts = { all: 0, dead: 0, saturated: 0, redundant: 0, sound: 0 };
    var kind = document.querySelector("input[name=filter]:checked").value, key = KEYS[order.value];
    function exact(i) { return names[i].toLowerCase() === text || labels[i].toLowerCase() === text; }
    chosen = [];
    for (var i = 0; i < names.length; i++) {
      if ((only >= 0 && layerOf[i] !== only) || (text && lower[i].indexOf(text) < 0)) { continue; }
      counts.all++;
      if (!data.flags[i]) { counts.sound++; }
      for (var name in FLAGS) { if (data.flags[i] & FLAGS[name]) { counts[name]++; } }
      if (kind === "all" || (kind === "sound" ? !data.flags[i] : data.flags[i] & FLAGS[kind])) { chosen.push(i); }
    }
    if (key) {
      var values = chosen.map(key), places = chosen.map(function (_, k) { return k; });
      places.sort(function (a, b) { return values[a] - values[b] || a - b; });
      chosen = places.map(function (k) { return chosen[k]; });
    }
    if (text) { chosen = chosen.filter(exact).concat(chosen.filter(function (i) { return !exact(i); })); }
    document.querySelectorAll(".filters label").forEach(function (label) {
      label.querySelector("b").textContent = counts[label.querySelector("input").value].toLocaleString("en");
    });
    list.scrollTop = 0;
    redraw();
  }

  function redraw() {
    rows.forEach(function (row) { row.remove(); }); rows.clear();
    height = parseFloat(getComputedStyle(list).getPropertyValue("--row")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
    room.style.height = chosen.length * height + "px";
    count.textContent = chosen.length ? say("shown", { shown: chosen.length.toLocaleString("en"), all: names.length.toLocaleString("en") }) : say("nothing");
    draw();
  }

  function draw() {
    var first = Math.max(0, Math.floor(list.scrollTop / height) - EXTRA);
    var last = Math.min(chosen.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + EXTRA);
    rows.forEach(function (row, at) { if (at < first || at >= last) { row.remove(); rows.delete(at); } });
    for (var at = first; at < last; at++) {
      if (!rows.has(at)) { rows.set(at, room.appendChild(made(at))); }
    }
  }

  function made(at) {
    var i = chosen[at], row = part("div", "row");
    row.style.top = at * height + "px";
    row.setAttribute("role", "listitem"); row.setAttribute("aria-setsize", chosen.length); row.setAttribute("aria-posinset", at + 1);
    row.append(thumbs(i), name(i), says(i), act(i));
    return row;
  }

  function thumbs(i) {
    var box = part("div", "thumbs");
    if (data.ngrams.length) {
      box.className = "seen"; box.translate = false;
      data.ngrams[i].forEach(function (text) { box.appendChild(part("span", "", text)); });
      return box;
    }
    data.tiles[i].forEach(function (tile, rank) {
      var thumb = part("div", "thumb"), across = tile % data.columns, down = Math.floor(tile / data.columns);
      thumb.style.backgroundPosition = (wide ? 100 * across / wide : 0) + "% " + (high ? 100 * down / high : 0) + "%";
      thumb.setAttribute("role", "img"); thumb.setAttribute("aria-label", say("thumb", { rank: rank + 1 }));
      var field = data.boxes[i][rank];
      if (field.length) {
        var frame = part("i");
        frame.style.cssText = "left:" + field[0] + "%;top:" + field[1] + "%;width:" + field[2] + "%;height:" + field[3] + "%";
        thumb.appendChild(frame);
      }
      box.appendChild(thumb);
    });
    return box;
  }

  function name(i) {
    var box = part("div", "name"), title = part("b", "", names[i]);
    title.translate = false; title.title = names[i];
    box.appendChild(title);
    if (labels[i]) { box.appendChild(part("span", "", labels[i])); }
    for (var kind in FLAGS) {
      if (data.flags[i] & FLAGS[kind]) {
        var partner = data.partners[i] || [];
        box.appendChild(part("span", "mark mark-" + FLAGS[kind], say(kind, { unit: partner[0], correlation: partner[1] })));
      }
    }
    return box;
  }

  function says(i) {
    var box = part("div", "says"), common = data.common[i], leads = leading(i);
    box.appendChild(part("span", "", say("peak", { value: data.peaks[i] })));
    box.appendChild(part("span", "", say("active", { share: String(Math.round(1000 - 10 * data.inactive[i]) / 10) })));
    if (data.classes.length > 1) {
      var most = leads ? say("common", { count: common[1], all: common[2], name: leads }) : say("mixed"), line = part("span", "", most);
      line.title = most; box.appendChild(line);
    }
    return box;
  }

  function quoted(word) { return /^[\w.:@\/-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\\''") + "'"; }
  function act(i) {
    var box = part("div", "act"), there = data.pages[names[i]];
    if (there) {
      var link = part("a", "", say("page"));
      link.href = there; box.appendChild(link);
      return box;
    }
    var command = data.command[0] + quoted(names[i]) + data.command[1], button = part("button", "", say("copy"));
    button.type = "button"; button.title = command; button.setAttribute("data-command", command);
    button.addEventListener("click", function () { copy(command, button); });
    box.appendChild(button);
    return box;
  }
  function copy(command, button) {
    function tell(key) {
      button.textContent = say(key, { command: command });
      setTimeout(function () { button.textContent = say("copy"); }, 1600);
    }
    function byHand() {
      var field = part("textarea");
      field.value = command; field.style.position = "fixed"; document.body.appendChild(field); field.select();
      var done = false;
      try { done = document.execCommand("copy"); } catch (refused) { done = false; }
      field.remove();
      if (done) { tell("copied"); } else { count.textContent = say("refused", { command: command }); }
    }
    if (navigator.clipboard) { navigator.clipboard.writeText(command).then(function () { tell("copied"); }, byHand); } else { byHand(); }
  }

  document.querySelector(".units-page .tools").hidden = false; list.hidden = false;
  list.addEventListener("scroll", draw, { passive: true });
  addEventListener("resize", redraw);
  document.addEventListener("languageswitch", redraw);
  find.addEventListener("input", choose);
  [order, layer].forEach(function (select) { select.addEventListener("change", choose); });
  document.querySelectorAll("input[name=filter]").forEach(function (radio) { radio.addEventListener("change", choose); });
  choose();
})();
