// Where does the state of a compiled step lie while steps replace it? In place where that is safe, else in two turns.
import type * as ort from 'onnxruntime-node';
import { emptyTensor, hostTensor, ortTensor } from './ortTensors.js';
import type { HostTensors } from './tensors.js';

export class StateMemory {
  private current: Map<string, ort.Tensor>;
  /** Memory for the next value of what changes but may not be overwritten. */
  private spare: Map<string, ort.Tensor>;

  /**
   * @param initial is copied, since state is overwritten
   * @param changing names of what a step replaces
   * @param inPlace names of those that may be overwritten while they are read
   */
  constructor(
    initial: HostTensors,
    private readonly changing: readonly string[],
    inPlace: ReadonlySet<string>,
  ) {
    this.current = new Map(
      Object.entries(initial).map(([name, { data, shape }]) => [
        name,
        ortTensor({ data: Float32Array.from(data), shape }),
      ]),
    );
    this.spare = new Map(
      changing
        .filter((name) => !inPlace.has(name))
        .map((name) => [name, emptyTensor({ dtype: 'float32' }, this.at(name).dims)]),
    );
  }

  values(): ReadonlyMap<string, ort.Tensor> {
    return this.current;
  }

  /** Where a step writes the next value of each name that changes. */
  targets(): Map<string, ort.Tensor> {
    return new Map(this.changing.map((name) => [name, this.spare.get(name) ?? this.at(name)]));
  }

  /** What was written to `targets` becomes the state. */
  advance(): void {
    for (const [name, written] of this.spare) {
      this.spare.set(name, this.at(name));
      this.current.set(name, written);
    }
  }

  /** A copy of the state. */
  read(): HostTensors {
    const entries = [...this.current].map(([name, tensor]) => {
      const { shape, data } = hostTensor(tensor);
      return [name, { shape, data: data.slice() }] as const;
    });
    return Object.fromEntries(entries);
  }

  free(): void {
    this.current.clear();
    this.spare.clear();
  }

  private at(name: string): ort.Tensor {
    const tensor = this.current.get(name);
    if (!tensor) throw new Error(`step: there is no state '${name}'`);
    return tensor;
  }
}
