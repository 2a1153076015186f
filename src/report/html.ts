// How does text get into a page without becoming markup? Every value of the template is escaped unless it is markup.

/** HTML that is safe to place in a page as it is. */
export interface Markup {
  readonly html: string;
}

type Part = string | number | Markup | undefined | readonly Part[];

/** Markup from a template; strings in it are escaped, lists are joined, undefined is nothing. */
export function markup(pieces: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { html: pieces.map((piece, i) => piece + htmlOf(parts[i])).join('') };
}

/** Vouches for markup that was made here. */
export function trusted(html: string): Markup {
  return { html };
}

function htmlOf(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string') return escaped(part);
  if (typeof part === 'number') return String(part);
  return 'html' in part ? part.html : part.map(htmlOf).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}
