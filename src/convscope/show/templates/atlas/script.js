(function () {
  var view = document.querySelector(".window-on-land"), land = view.querySelector(".land"), was = null;
  function clear() { land.querySelectorAll("input:checked").forEach(function (input) { input.checked = false; }); }
  addEventListener("keydown", function (event) { if (event.key === "Escape") { clear(); } });
  land.addEventListener("pointerdown", function () { was = land.querySelector("input:checked"); });
  land.addEventListener("click", function (event) {
    if (event.target.tagName === "INPUT" && event.target === was) { event.target.checked = false; was = null; }
  });
  document.querySelectorAll(".zooms input").forEach(function (zoom) {
    zoom.addEventListener("change", function () {
      var box = view.getBoundingClientRect(), chosen = land.querySelector(".cell:has(:checked)");
      var old = land.dataset.side || view.clientWidth, x = (view.scrollLeft + box.width / 2) / old, y = (view.scrollTop + box.height / 2) / old;
      var side = land.dataset.side = land.getBoundingClientRect().width;
      view.scrollTo(x * side - box.width / 2, y * side - box.height / 2);
      if (chosen) { chosen.scrollIntoView({ block: "nearest", inline: "nearest" }); }
    });
  });
})();
