(function () {
  var folds = document.querySelectorAll("main details.fold"), large = document.getElementById("large");
  [["unfold", true], ["fold", false]].forEach(function (pair) {
    var button = document.getElementById(pair[0]);
    if (!button) { return; }
    button.hidden = false;
    button.addEventListener("click", function () { folds.forEach(function (fold) { fold.open = pair[1]; }); });
  });
  var slot = large.querySelector(".slot"), mixed = document.getElementById("mixed");
  document.querySelectorAll("button.tile").forEach(function (tile) {
    tile.addEventListener("click", function () {
      slot.replaceChildren(tile.firstElementChild.cloneNode(true));
      slot.className = "slot tile";
      slot.style.cssText = tile.style.cssText;
      mix();
      large.querySelector(".place").textContent = tile.dataset.place;
      large.querySelector("code").textContent = "convscope visualize " + large.dataset.net + " " + tile.dataset.place;
      large.showModal();
    });
  });
  function mix() { slot.style.setProperty("--mix", mixed.value / 100); }
  mixed.addEventListener("input", mix);
  large.querySelector(".close").addEventListener("click", function () { large.close(); });
  large.addEventListener("click", function (event) { if (event.target === large) { large.close(); } });
})();
