(function () {
  function set(slider, article) {
    article.querySelectorAll("svg.over").forEach(function (over) { over.style.setProperty("--heat", slider.value / 100); });
  }
  document.querySelectorAll("input.opacity").forEach(function (slider) {
    var master = slider.closest(".master"), holder = master ? master.parentNode : slider.parentNode;
    slider.hidden = false;
    if (master) { master.hidden = false; }
    slider.addEventListener("input", function () {
      set(slider, holder);
      if (master) { holder.querySelectorAll("input.opacity").forEach(function (other) { other.value = slider.value; }); }
    });
  });
})();
