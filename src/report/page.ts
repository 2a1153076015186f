// How does a run become a page that anyone can open? One HTML file that asks for nothing else: no script, no request.
import { writeFileAtomic } from '../files/write.js';
import { figuresOf, type Figure, type Measured } from './figures.js';
import type { Picture } from './grid.js';
import { markup, trusted, type Markup } from './html.js';
import { style } from './style.js';

/** A number that the reader should see first. */
export interface Headline {
  readonly label: string;
  readonly value: string;
  /** What to compare it with, or how it was measured. */
  readonly note?: string;
}

export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** The first column names the rows; every row has a cell for each column. */
export interface Comparison {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface ReportPicture {
  readonly title: string;
  readonly caption?: string;
  /** What a person who does not see it should know. */
  readonly alt: string;
  readonly picture: Picture;
}

export interface NextCommand {
  /** What it does. */
  readonly purpose: string;
  readonly command: string;
}

/** All parts but the title may be missing, as those of a run that has not sampled yet. All texts are plain text. */
export interface Report extends Measured {
  readonly title: string;
  /** Date and the like. */
  readonly subtitle?: string;
  readonly headline?: readonly Headline[];
  /** Shown side by side. */
  readonly pictures?: readonly ReportPicture[];
  readonly comparison?: Comparison;
  readonly facts?: readonly Fact[];
  readonly next?: readonly NextCommand[];
}

/** A browser that meets anything but the page itself refuses to load or run it. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** The whole page. */
export function reportPage(report: Report): string {
  const { title, subtitle, headline = [], pictures = [], comparison, facts = [], next = [] } = report;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="generator" content="exithead">
<title>${title}</title>
<style>${trusted(style)}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
${optional(subtitle, (text) => markup`<p class="subtitle">${text}</p>`)}
</header>
${unlessEmpty(headline, (list) => markup`<dl class="headline">${list.map(headlineOf)}</dl>`)}
${unlessEmpty(pictures, (list) => section('Samples', markup`<div class="pictures">${list.map(pictureOf)}</div>`))}
${optional(comparison, (table) => section('Comparison', tableOf(table)))}
${figuresOf(report).map(figureOf)}
${unlessEmpty(facts, (list) => section('What was run', markup`<dl class="facts">${list.map(factOf)}</dl>`))}
${unlessEmpty(next, (list) => section('Go on from here', markup`${list.map(commandOf)}`))}
</main>
</body>
</html>
`.html;
}

/**
 * Writes the page whole or not at all.
 * @returns the path
 * @throws UserError if the disk refuses it
 */
export async function writeReport(path: string, report: Report): Promise<string> {
  await writeFileAtomic(path, reportPage(report));
  return path;
}

function optional<T>(part: T | undefined, shown: (part: T) => Markup): Markup | undefined {
  return part === undefined ? undefined : shown(part);
}

function unlessEmpty<T>(parts: readonly T[], shown: (parts: readonly T[]) => Markup): Markup | undefined {
  return parts.length === 0 ? undefined : shown(parts);
}

function section(title: string, content: Markup): Markup {
  return markup`<section>
<h2>${title}</h2>
${content}
</section>
`;
}

function headlineOf({ label, value, note }: Headline): Markup {
  return markup`<div>
<dt>${label}</dt>
<dd class="value">${value}</dd>
${optional(note, (text) => markup`<dd class="note">${text}</dd>`)}
</div>
`;
}

function pictureOf({ title, caption, alt, picture }: ReportPicture): Markup {
  const { width, height, png } = picture;
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return markup`<figure>
<h3>${title}</h3>
<img src="${source}" width="${width}" height="${height}" alt="${alt}">
${optional(caption, (text) => markup`<figcaption>${text}</figcaption>`)}
</figure>
`;
}

/** What a cell in a column of numbers looks like; a dash stands for a number that is missing. */
const numeric = /^(|–|[-−+±]?\d.*)$/;

function tableOf({ columns, rows }: Comparison): Markup {
  const kinds = columns.map((_, i) =>
    i > 0 && rows.every((row) => numeric.test(row[i] ?? '')) ? 'number' : 'words',
  );
  const head = columns.map((column, i) => markup`<th scope="col" class="${kinds[i]}">${column}</th>`);
  const body = rows.map((row) => {
    const cells = row.map((cell, i) =>
      i === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td class="${kinds[i]}">${cell}</td>`,
    );
    return markup`<tr>${cells}</tr>
`;
  });
  // It scrolls where it is wider than the page, so the keyboard must reach it.
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Comparison">
<table>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table>
</div>`;
}

function figureOf({ title, wide, narrow, reading }: Figure): Markup {
  return section(
    title,
    markup`<div class="plot">
<div class="wide">${trusted(wide)}</div>
<div class="narrow">${trusted(narrow)}</div>
</div>
<p class="read"><strong>How to read this.</strong> ${reading}</p>`,
  );
}

function factOf({ label, value }: Fact): Markup {
  return markup`<dt>${label}</dt><dd>${value}</dd>
`;
}

function commandOf({ purpose, command }: NextCommand): Markup {
  return markup`<div class="command">
<p>${purpose}</p>
<pre tabindex="0"><code>${command}</code></pre>
</div>
`;
}
