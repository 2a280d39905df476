"""HTML pages and contact sheets, one module for each question: features, unit, attribution, atlas."""
