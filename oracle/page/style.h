// The style of every page: one column that becomes two where there is room. Colours of series can be
// told apart by the colour-blind, and are dark on light and light on dark.
#pragma once

namespace truenorm::oracle::page {

inline constexpr const char* kStyle = R"(
:root {
  color-scheme: light dark;
  --back: #fbfbfa; --card: #ffffff; --text: #1d2024; --quiet: #5b626b; --grid: #d5d8dc;
  --good: #1a6b3c; --bad: #b3261e;
  --s1: #0b62a4; --s2: #c2410c; --s3: #0f7a5a; --s4: #8b3a8f; --s5: #7a6400; --s6: #2b8fb5;
  --s7: #6b6f76;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #15171a; --card: #1e2125; --text: #e6e8ea; --quiet: #a4abb3; --grid: #3b4046;
    --good: #6fce96; --bad: #ff8a80;
    --s1: #6db3f2; --s2: #ff9b62; --s3: #58c9a3; --s4: #d894dc; --s5: #d9c04a; --s6: #7fd6f2;
    --s7: #b4b9c0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
main { max-width: 1280px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 8px 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 36px 0 8px; border-bottom: 1px solid var(--grid); }
h3 { font-size: 1rem; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 8px 0; max-width: 75ch; overflow-wrap: anywhere; }
.lede { font-size: 1.1rem; }
.good { --tone: var(--good); }
.bad { --tone: var(--bad); }
.plain { --tone: var(--quiet); }
.lede.good, .lede.bad { color: var(--tone); font-weight: 600; }
.absent { color: var(--quiet); }
pre, .code, .line {
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 0.85rem;
}
pre, .code { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { background: var(--card); border: 1px solid var(--grid); padding: 8px; border-radius: 6px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 8px; }
.facts div { background: var(--card); border: 1px solid var(--grid); border-radius: 6px; padding: 8px 12px; }
dl { margin: 0; }
dt { color: var(--quiet); font-size: 0.85rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.facts dd { font-size: 1.15rem; font-variant-numeric: tabular-nums; }
article {
  background: var(--card); border: 1px solid var(--grid); border-left: 4px solid var(--tone);
  border-radius: 6px; padding: 12px; margin: 12px 0;
}
article h3 b { color: var(--tone); margin-right: 4px; }
article dt { margin-top: 6px; }
.scroll { overflow: auto; }
figure .scroll { max-height: 560px; }
figure + pre { margin-top: -16px; }
table { border-collapse: collapse; font-size: 0.9rem; min-width: 100%; }
th, td { padding: 4px 10px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
th.code, th.line { font-family: inherit; }
td { min-width: 12ch; }
td.number { min-width: 0; }
td.code { min-width: 30ch; }
.line { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 16px 0 28px; display: grid; gap: 8px 24px; grid-template-columns: minmax(0, 1fr); }
figcaption { font-weight: 600; }
figure svg { display: block; width: 100%; max-width: 640px; height: auto; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 0; margin: 4px 0; font-size: 0.9rem; }
.legend i { display: inline-block; width: 20px; border-top: 3px solid var(--c); vertical-align: middle; margin-right: 6px; }
.legend .dashed { border-top-style: dashed; }
@media (min-width: 960px) {
  figure { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-items: start; }
  figcaption { grid-column: 1 / -1; }
}
@media print { figure .scroll { max-height: none; } article, figure { break-inside: avoid; } }
)";

}  // namespace truenorm::oracle::page
