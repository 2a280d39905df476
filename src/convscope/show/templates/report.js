(function () {
  var zh = document.getElementById("language-zh"), en = document.getElementById("language-en");
  function tell() {
    var language = document.documentElement.lang = zh.checked ? "zh" : "en";
    document.querySelectorAll("svg[data-en]").forEach(function (drawing) {
      drawing.setAttribute("aria-label", drawing.getAttribute("data-" + language));
    });
  }
  if (location.hash === "#zh" || (location.hash !== "#en" && /^zh/i.test(navigator.language || ""))) { zh.checked = true; }
  zh.addEventListener("change", tell); en.addEventListener("change", tell); tell();
  var links = document.querySelectorAll(".chapters a"), sections = document.querySelectorAll("main > section");
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
