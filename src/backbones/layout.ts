// In whose layout does a checkpoint hold a backbone?

/** Names and shapes of the official code of a family, or those of diffusers. */
export const layouts = ['official', 'diffusers'] as const;
export type Layout = (typeof layouts)[number];
