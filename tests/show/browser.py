"""A page in headless Chromium: its width, what it fetched, what went wrong."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

PROBE = """<script>
var errors = [];
addEventListener("error", function (e) { errors.push(String(e.message)); });
addEventListener("securitypolicyviolation", function (e) { errors.push("fetch " + e.blockedURI); });
</script>"""
REPORT = """<script>addEventListener("load", function () {
  document.getElementById("language-zh").click();
  var root = document.documentElement, wide = root.clientWidth;
  var culprits = [].filter.call(document.querySelectorAll("body *"), function (e) {
    return e.getBoundingClientRect().right > wide + 1 && !e.closest("svg") && !e.closest(".skip"); });
  parent.postMessage(JSON.stringify({
    width: wide, overflow: root.scrollWidth - wide, errors: errors, language: root.lang,
    culprits: culprits.slice(0, 5).map(function (e) { return e.outerHTML.slice(0, 120); }),
    named: [].filter.call(document.querySelectorAll("[data-zh]"), function (e) {
      return ["alt", "aria-label", "placeholder"].some(function (name) {
        return e.hasAttribute(name) && e.getAttribute(name) !== e.getAttribute("data-zh"); });
    }).slice(0, 5).map(function (e) { return e.outerHTML.slice(0, 120); }),
    title: document.title,
    shown: document.querySelector("h1 [lang=zh]").getBoundingClientRect().height,
    hidden: getComputedStyle(document.querySelector("h1 [lang=en]")).display === "none",
    requests: performance.getEntriesByType("resource").map(function (r) { return r.name; })
      .filter(function (n) { return n.slice(0, 5) !== "data:"; }) }), "*");
});</script>"""


def chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("needs Chromium (apt-get install chromium)")
    return found


def measured(page: str, folder: Path, width: int, scheme: str) -> dict:
    """Open the page `width` pixels wide, switch it to Chinese, and report."""
    probed = page.replace("<head>", "<head>" + PROBE, 1).replace("</body>", REPORT + "</body>", 1)
    (folder / "page.html").write_text(probed, encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(
        "<script>addEventListener('message', function (e) { document.title = e.data;"
        " document.getElementById('out').textContent = e.data; });</script><pre id=out></pre>"
        f"<iframe src=page.html style='border:0;width:{width}px;height:900px'></iframe>"
    )
    colours = {"dark": 0, "light": 1}[scheme]
    done = subprocess.run(
        [
            chromium(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=4000",
            f"--blink-settings=preferredColorScheme={colours}",
            "--window-size=1400,1000",
            "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    match = re.search(r"<pre id=\"out\">(.*?)</pre>", done.stdout, re.DOTALL)
    assert match and match[1], done.stderr[-500:]
    return json.loads(unescape(match[1]))
