// What does a judge of images see in them? Numbers for distances between sets, and what they seem to show.

/** What is seen in a set of images. */
export interface Seen {
  /** [count, width], in which sets of images are compared. */
  readonly features: Float32Array;
  /** [count, classes], each row sums to 1; absent where an extractor decides nothing. */
  readonly probabilities: Float32Array | undefined;
}

/** Images to vectors: the project's own classifier, or a network in an ONNX file. */
export interface FeatureExtractor {
  /** For people, such as `digits` or the name of a file. */
  readonly name: string;
  /** SHA-256 of all that decides what it sees: weights and preprocessing. Statistics are kept under it. */
  readonly fingerprint: string;
  /** Numbers in a feature vector. */
  readonly width: number;
  /** Number of classes; 0 where it decides nothing. */
  readonly classes: number;
  /**
   * @param images [count, channels, height, width] from -1 to 1
   * @throws UserError if a number is not finite, or the images are not those it takes
   */
  see(images: Float32Array): Promise<Seen>;
  dispose(): Promise<void>;
}
