// What does the report look like? One style sheet for light and dark, desk and phone; plots take their colours from it.

/** Colours of text on its ground reach a contrast of 4.5 in both themes. */
export const theme = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --surface: #ffffff; --ink: #1b2430; --muted: #586273; --rule: #dfe3e9;
  --first: #1f5fbf; --second: #b34700;
  --heat-low: #e3efe9; --heat-mid: #3a98a6; --heat-high: #1c2560;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151b; --surface: #191f27; --ink: #e6eaf0; --muted: #a0aab8; --rule: #333c48;
    --first: #7db1ff; --second: #ffa05c;
    --heat-low: #22313a; --heat-mid: #2f9aa0; --heat-high: #f6efa9;
  }
}
`;

export const style = `${theme}* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; margin: 0 0 0.75rem; }
h1, h2, h3, p, dd, figcaption { overflow-wrap: anywhere; }
.subtitle { color: var(--muted); margin: 0.35rem 0 0; }
section { background: var(--surface); border: 1px solid var(--rule); border-radius: 12px; padding: 1.5rem; margin-top: 1.5rem; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1rem; margin: 1.5rem 0 0; }
.headline div { display: flex; flex-direction: column; background: var(--surface); border: 1px solid var(--rule); border-radius: 12px; padding: 1.1rem 1.25rem; }
.headline dt { color: var(--muted); font-size: 0.9rem; }
.headline dd { margin: 0; }
.headline .value { font-size: 2rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.headline .note { color: var(--muted); font-size: 0.9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
.pictures img { display: block; width: auto; max-width: 100%; height: auto; border-radius: 4px; }
.pictures h3 { font-size: 1rem; margin: 0 0 0.5rem; }
figcaption { color: var(--muted); font-size: 0.925rem; margin-top: 0.6rem; }
.read { max-width: 46rem; margin: 0.75rem 0 0; }
.plot svg { width: 100%; height: auto; overflow: visible; }
.plot .narrow { display: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.5rem 0.75rem; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--muted); font-weight: 600; font-size: 0.9rem; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 600; }
.number { text-align: right; }
td.number { white-space: nowrap; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.4rem 1.5rem; margin: 0; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; }
.command { margin: 0 0 1rem; }
.command:last-child { margin-bottom: 0; }
.command p { margin: 0 0 0.35rem; }
pre { margin: 0; padding: 0.75rem 1rem; overflow-x: auto; background: var(--page); border: 1px solid var(--rule); border-radius: 8px; }
code { font: 0.9rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
@media (min-width: 66rem) { .pictures img { image-rendering: pixelated; } }
@media (max-width: 719px) {
  main { padding: 1.5rem 0.75rem 3rem; }
  h1 { font-size: 1.6rem; }
  section { padding: 1rem; }
  .plot .wide { display: none; }
  .plot .narrow { display: block; max-width: 30rem; margin: 0 auto; }
  .headline { gap: 0.75rem; }
  .headline div { padding: 0.8rem 1rem; }
  .headline .value { font-size: 1.6rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: 0.6rem; }
  th, td { padding: 0.45rem 0.5rem; }
  tbody th { min-width: 7rem; }
  thead th { min-width: 5rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
@media print { section { break-inside: avoid; } body { background: none; } }
`;
