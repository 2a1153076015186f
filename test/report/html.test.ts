import { describe, expect, it } from '@jest/globals';
import { markup, trusted } from '../../src/report/html.js';

describe('the template of pages', () => {
  it('escapes every character that could end a text or an attribute', () => {
    expect(markup`<p title="${`"'`}">${'<b> & </b>'}</p>`.html).toBe(
      '<p title="&quot;&#39;">&lt;b&gt; &amp; &lt;/b&gt;</p>',
    );
  });

  it('takes markup as it is and joins lists', () => {
    const items = ['a', '<'].map((text) => markup`<li>${text}</li>`);
    expect(markup`<ul>${items}${undefined}</ul>${3}${trusted('<hr>')}`.html).toBe(
      '<ul><li>a</li><li>&lt;</li></ul>3<hr>',
    );
  });
});
