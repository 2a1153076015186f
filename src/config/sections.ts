// Which keys does each section of a config have? Type, default, limits and one-line meaning of every one.
export * from './sections/basics.js';
export * from './sections/data.js';
export * from './sections/heads.js';
export * from './sections/loss.js';
export * from './sections/train.js';
export * from './sections/profile.js';
export * from './sections/schedule.js';
export * from './sections/sample.js';
export * from './sections/evaluate.js';
export * from './sections/engine.js';
