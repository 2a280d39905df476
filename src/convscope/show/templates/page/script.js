(function () {
  var zh = document.getElementById("language-zh"), en = document.getElementById("language-en"), KEY = "convscope-language";
  function remembered() { try { return localStorage.getItem(KEY); } catch (refused) { return null; } }
  function remember(language) { try { localStorage.setItem(KEY, language); } catch (refused) { return; } }
  function tell() {
    var language = document.documentElement.lang = zh.checked ? "zh" : "en";
    document.querySelectorAll("[data-en]").forEach(function (named) {
      var text = named.getAttribute("data-" + language);
      ["alt", "aria-label", "title", "placeholder"].forEach(function (attribute) {
        if (named.hasAttribute(attribute)) { named.setAttribute(attribute, text); }
      });
      if (named.tagName === "TITLE") { document.title = text; }
      if (named.tagName === "OPTION") { named.textContent = text; }
    });
    document.dispatchEvent(new Event("languageswitch"));
  }
  function choose() { remember(zh.checked ? "zh" : "en"); tell(); }
  var asked = { "#zh": "zh", "#en": "en" }[location.hash] || remembered() || navigator.language || "";
  if (/^zh/i.test(asked)) { zh.checked = true; } else { en.checked = true; }
  zh.addEventListener("change", choose); en.addEventListener("change", choose); tell();

  function unfold() {
    var target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    for (var inside = target.querySelector(":scope > details.fold") || target; inside; inside = inside.parentElement) {
      if (inside.tagName === "DETAILS") { inside.open = true; }
    }
    target.scrollIntoView();
  }
  addEventListener("hashchange", unfold); unfold();
  document.querySelectorAll(".contents a, .chapters a").forEach(function (link) { link.addEventListener("click", function () {
    if (link.hash === location.hash) { unfold(); }
  }); });
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details.fold").forEach(function (fold) { fold.open = true; });
  });

  var links = document.querySelectorAll(".chapters.numbered a"), sections = Array.prototype.map.call(links, function (link) { return document.getElementById(link.hash.slice(1)); });
  function locate() {
    var here = -1;
    sections.forEach(function (section, k) { if (section.getBoundingClientRect().top < innerHeight / 3) { here = k; } });
    links.forEach(function (link, k) {
      link.classList.toggle("here", k === here);
      if (k === here) { link.setAttribute("aria-current", "true"); } else { link.removeAttribute("aria-current"); }
    });
  }
  addEventListener("scroll", locate, { passive: true }); locate();
  document.querySelectorAll(".stepper").forEach(function (stepper) {
    var button = stepper.querySelector(".play"), picks = stepper.querySelectorAll("input[type=radio]"), timer = 0;
    if (!button) { return; }
    button.hidden = false;
    function stop() { clearInterval(timer); timer = 0; button.setAttribute("aria-pressed", "false"); }
    stop();
    button.addEventListener("click", function () {
      if (timer) { stop(); return; }
      button.setAttribute("aria-pressed", "true");
      timer = setInterval(function () {
        var now = Array.prototype.findIndex.call(picks, function (p) { return p.checked; });
        picks[(now + 1) % picks.length].checked = true;
        if (now + 2 >= picks.length) { stop(); }
      }, 700);
    });
  });
})();
