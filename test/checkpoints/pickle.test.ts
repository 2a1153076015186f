import { describe, expect, it } from '@jest/globals';
import { unpickle, type Dict, type Pickled } from '../../src/checkpoints/pickle.js';
import { UserError } from '../../src/errors.js';
import { dict, global, pickle, text, tuple, whole } from './torch-bytes.js';

const known = new Set(['torch.FloatStorage', 'argparse.Namespace']);
const read = (body: string): Pickled => unpickle('made.pt', pickle(body), known).value;
const entriesOf = (value: Pickled): Map<string, Pickled> => (value as Dict).entries;

describe('a pickle', () => {
  it.each<[string, string, Pickled]>([
    ['None', 'N', null],
    ['True', '\x88', true],
    ['an integer of one byte', 'K\xff', 255],
    ['an integer of two bytes', 'M\x34\x12', 0x1234],
    ['a negative integer', 'J\xfe\xff\xff\xff', -2],
    ['a long', whole(2 ** 40 + 1), 2 ** 40 + 1],
    ['a negative long', '\x8a\x02\x00\xff', -256],
    ['a negative long of many bytes', whole(-1), -1],
    ['a long of no bytes', '\x8a\x00', 0],
    ['a float', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00', 1.5],
    ['text', text('é'), 'é'],
    ['short text', '\x8c\x02ab', 'ab'],
  ])('holds %s', (_, body, value) => {
    expect(read(body)).toBe(value);
  });

  it('holds lists, tuples and dicts, and remembers them', () => {
    const numbers = { kind: 'sequence', items: [1, 2, 3] };
    expect(read('K\x01K\x02K\x03\x87')).toEqual(numbers);
    expect(read(tuple('K\x01', 'K\x02', 'K\x03'))).toEqual(numbers);
    expect(read('](K\x01K\x02eK\x03a')).toEqual(numbers);
    const value = read(
      dict({ a: 'K\x07q\x05', b: 'h\x05', c: 'K\x08r\x00\x01\x00\x00', d: 'j\x00\x01\x00\x00' }),
    );
    expect([...entriesOf(value)]).toEqual([
      ['a', 7],
      ['b', 7],
      ['c', 8],
      ['d', 8],
    ]);
  });

  it('keeps entries under text alone, and a name such as __proto__ is a name', () => {
    const value = read(`}${text('__proto__')}K\x01sK\x02K\x03s`);
    expect([...entriesOf(value)]).toEqual([['__proto__', 1]]);
  });

  it('holds an ordered dict with the versions that modules note beside it', () => {
    const ordered = `${global('collections', 'OrderedDict')})R`;
    const value = read(`${ordered}${text('w')}K\x01s}${text('_metadata')}${ordered}sb`);
    expect([...entriesOf(value)]).toEqual([['w', 1]]);
  });

  it('writes down calls and objects, and makes neither', () => {
    expect(read(`${global('argparse', 'Namespace')})\x81${dict({ lr: 'K\x01' })}b`)).toEqual({
      kind: 'call',
      name: 'argparse.Namespace',
      args: [],
    });
    expect(read(`${text('id')}Q`)).toEqual({ kind: 'persistent', id: 'id' });
  });

  it('is read in newer protocols too', () => {
    const body = `\x95${'\0'.repeat(8)}\x8c\x05torch\x94\x8c\x0cFloatStorage\x94\x93`;
    expect(read(body)).toEqual({ kind: 'global', name: 'torch.FloatStorage' });
  });

  it.each([
    ['GLOBAL', `${global('os', 'system')}${text('touch x')}\x85R`, /"os\.system"/],
    ['STACK_GLOBAL', `${text('builtins')}${text('eval')}\x93`, /"builtins\.eval"/],
    ['a global nothing calls', `${global('torch', 'load')}0N`, /"torch\.load"/],
    ['a longer name', global('torch', 'FloatStorage.__init__'), /"torch\.FloatStorage\.__init__"/],
    ['a control character', global('a\x1b[2J', 'b'), /"a\\u001b\[2J\.b"/],
  ])('is refused by the name it asks for: %s', (_, body, message) => {
    expect(() => read(body)).toThrow(UserError);
    expect(() => read(body)).toThrow(message);
    expect(() => read(body)).toThrow(/nothing in the file was run/);
  });

  it.each([
    ['ends too early', 'X\xff\xff\xff\xff', /ends too early/],
    ['has an unknown opcode', 'i', /opcode 0x69/],
    ['takes from an empty stack', 'R', /stack is empty/],
    ['takes what lies below a mark', 'K\x01(\x85', /stack is empty/],
    ['remembers nothing', 'q\x00', /stack is empty/],
    ['refers to nothing', 'h\x09', /value 9/],
    ['closes what it never opened', 't', /never began/],
    ['leaves several values', 'NN', /ends with 2 values/],
    ['leaves nothing', '', /ends with 0 values/],
    ['leaves a group open', 'N(', /ends with 1 values/],
    ['appends to text', `${text('a')}Na`, /no list/],
    ['sets items of a list', ']NNs', /something odd/],
    ['sets half an item', '}(Nu', /something odd/],
    ['calls text', `${text('a')})R`, /calls something odd/],
    ['has a name without end', 'cos', /name does not end/],
    ['comes from the future', '\x80\x09', /protocol 9/],
    ['opens group in group', '('.repeat(2000), /1000 groups/],
    ['never ends', 'N0'.repeat(500_001), /1000000 steps/],
  ])('is refused when it %s', (_, body, message) => {
    expect(() => read(body)).toThrow(UserError);
    expect(() => read(body)).toThrow(message);
  });

  it('may contain itself, and groups as deep as it likes, without a deep stack', () => {
    expect(read(']q\x00h\x00a')).toMatchObject({ kind: 'sequence' });
    expect(read(`N${'\x85'.repeat(200_000)}`)).toMatchObject({ kind: 'sequence' });
  });
});
