import { describe, expect, it } from 'vitest';
import { parseNextLink } from '../../src/registry/listing.js';
import { connectRegistries, sayingOf, sendError, sendJson, startScripted, type Script } from '../helpers/scripted-registry.js';

async function tagsOf(script: Script): Promise<{ tags: string[]; targets: string[] }> {
  await using server = await startScripted(script);
  await using client = connectRegistries();
  const tags: string[] = [];
  for await (const tag of client.registries.repository({ domain: server.host, path: 'app' }).tags()) tags.push(tag);
  return { tags, targets: server.asked.map(({ target }) => target) };
}

describe('a list', () => {
  it('is read page after page', async () => {
    const pages: Record<string, [string[], string?]> = {
      '/v2/app/tags/list?n=1000': [['1', '2'], '</v2/app/tags/list?last=2&n=1000>; rel="next"'],
      '/v2/app/tags/list?last=2&n=1000': [['3'], '<list?last=3>; rel=next'],
      '/v2/app/tags/list?last=3': [[], '<?last=4>; title="a, b"; rel="prev next"'],
      '/v2/app/tags/list?last=4': [['5']],
    };
    const { tags, targets } = await tagsOf(({ target }, response) => {
      const [names, link] = pages[target] ?? [[]];
      sendJson(response, 200, { name: 'app', tags: names }, link === undefined ? {} : { link });
    });
    expect(tags).toEqual(['1', '2', '3', '5']);
    expect(targets).toEqual(Object.keys(pages));
  });

  it('of a repository that lost all its tags is empty', async () => {
    expect((await tagsOf((_, response) => sendJson(response, 200, { name: 'app', tags: null }))).tags).toEqual([]);
  });

  it('is asked for again where a page breaks off', async () => {
    let count = 0;
    const { tags } = await tagsOf((_, response) => {
      if (++count > 1) return sendJson(response, 200, { tags: ['1'] });
      response.writeHead(200, { 'content-length': '20' }).write('{"tags":', () => response.destroy());
    });
    expect(tags).toEqual(['1']);
  });

  it('can be left early', async () => {
    await using server = await startScripted((_, response) =>
      sendJson(response, 200, { tags: ['1', '2'] }, { link: '<?last=2>; rel="next"' }),
    );
    await using client = connectRegistries();
    for await (const tag of client.registries.repository({ domain: server.host, path: 'app' }).tags()) {
      expect(tag).toBe('1');
      break;
    }
    expect(server.asked).toHaveLength(1);
  });

  it.each<[string, Script, string]>([
    [
      'that goes on at another host',
      (_, response) => sendJson(response, 200, { tags: ['1'] }, { link: '<https://evil.example/?token=1>; rel="next"' }),
      'names "evil.example" as the next page',
    ],
    [
      'that goes round',
      (_, response) => sendJson(response, 200, { tags: ['1'] }, { link: '</v2/app/tags/list?n=1000>; rel="next"' }),
      'a page that it gave before',
    ],
    ['of nothing', (_, response) => sendJson(response, 200, {}), 'has no list of tags'],
    ['of numbers', (_, response) => sendJson(response, 200, { tags: [1] }), 'has no list of tags'],
    ['that is no JSON', (_, response) => void response.end('tags'), 'is not JSON'],
    [
      'that is a web page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      'answered a web page; is localhost',
    ],
    [
      'that is not there',
      (_, response) => sendError(response, 404, 'NAME_UNKNOWN'),
      'has no such thing (404): NAME_UNKNOWN: name_unknown it is',
    ],
  ])('%s is an error', async (_, script, want) => {
    expect(await sayingOf(tagsOf(script))).toContain(want);
  });
});

describe('Link', () => {
  const base = new URL('https://registry.example/v2/app/tags/list?n=5');
  it.each<[string[], string | undefined]>([
    [[], undefined],
    [['</v2/x?a=1,2>; rel="next"'], 'https://registry.example/v2/x?a=1,2'],
    [['</a>; rel="prev", </b>; rel="next"'], 'https://registry.example/b'],
    [['</a>; rel="prev"', '</b>; REL=NEXT'], 'https://registry.example/b'],
    [['</a>; rel="last"; title="rel=next"'], undefined],
    [['</a>'], undefined],
    [['/a; rel="next"'], undefined],
    [['<http://>; rel="next"'], undefined],
    [['<'.repeat(10_000)], undefined],
  ])('%j', (headers, want) => {
    expect(parseNextLink(headers, base)?.href).toBe(want);
  });

  it.each(['<', '<a>', '<a>;', '"', ';', '; ', '<a>; rel="', ' ', 'a', '<>"', '<a>; rel= ', ','])(
    'of a million bytes of %j is read at once',
    (text) => {
      expect(parseNextLink([`<a>; rel=${text.repeat(1_000_000 / text.length)}`], base)).toBeUndefined();
    },
  );
});
