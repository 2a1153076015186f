// Who hears how far a long computation is? Whoever draws it; training only tells.

export interface Progress {
  /** @param values the newest numbers, such as the loss */
  update(done: number, total: number, values: Readonly<Record<string, number>>): void;
  /** Called once, however the work ended. */
  end(): void;
}
