// Which files do the engines `native` and `cuda` come from? Versions, sizes and hashes, pinned in this one place.

/** A wheel as PyPI publishes it. */
export interface WheelPin {
  /** Its project on PyPI. */
  readonly project: string;
  readonly version: string;
  /** `project-version-python-abi-platforms.whl`; pip is told these tags, so that any Python fetches it. */
  readonly file: string;
  readonly sha256: string;
  /** Size of the download. */
  readonly bytes: number;
  /** Size of what is kept of it. */
  readonly unpackedBytes: number;
}

/** An npm package that is unpacked without running its scripts, and needs no other one here. */
export interface PackagePin {
  readonly name: string;
  readonly version: string;
  /** As the registry publishes it: `sha512-` and base64. */
  readonly integrity: string;
  readonly bytes: number;
}

/** What an installation consists of. */
export interface Pins {
  /** TensorFlow's version. */
  readonly tensorflow: string;
  readonly wheels: readonly WheelPin[];
  /** The package with the kernels and the source of the addon comes first. */
  readonly packages: readonly [PackagePin, ...PackagePin[]];
}

/** Of TensorFlow.js; the addon must be of the version that exithead computes with. */
export const tfjsVersion = '4.22.0';
const tensorflow = '2.21.0';

/** Kernels need it to load; it is used for TensorBoard logs alone. */
const protobuf: PackagePin = {
  name: 'google-protobuf',
  version: '3.21.4',
  integrity:
    'sha512-MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==',
  bytes: 68_046,
};

const tfjsNode: PackagePin = {
  name: '@tensorflow/tfjs-node',
  version: tfjsVersion,
  integrity:
    'sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
  bytes: 228_166,
};

const tfjsNodeGpu: PackagePin = {
  name: '@tensorflow/tfjs-node-gpu',
  version: tfjsVersion,
  integrity:
    'sha512-p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==',
  bytes: 223_379,
};

const tensorflowFor = (tags: string, sha256: string, bytes: number, unpackedBytes: number): WheelPin => ({
  project: 'tensorflow',
  version: tensorflow,
  file: `tensorflow-${tensorflow}-${tags}.whl`,
  sha256,
  bytes,
  unpackedBytes,
});

/** By platform, as `process.platform` and `process.arch` name it. Python 3.12's wheels: the library in them fits any. */
export const nativePins: Readonly<Record<string, Pins>> = {
  'linux x64': {
    tensorflow,
    packages: [tfjsNode, protobuf],
    wheels: [
      {
        project: 'tensorflow-cpu',
        version: tensorflow,
        file: `tensorflow_cpu-${tensorflow}-cp312-cp312-manylinux_2_27_x86_64.whl`,
        sha256: 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
        bytes: 274_000_871,
        unpackedBytes: 854_347_238,
      },
    ],
  },
  'linux arm64': {
    tensorflow,
    packages: [tfjsNode, protobuf],
    wheels: [
      tensorflowFor(
        'cp312-cp312-manylinux_2_27_aarch64',
        'b07d15737406533898e36c7ef7944b1be18e9028dc521b9229952c537bbc5552',
        281_946_471,
        884_100_510,
      ),
    ],
  },
  'darwin arm64': {
    tensorflow,
    packages: [tfjsNode, protobuf],
    wheels: [
      tensorflowFor(
        'cp312-cp312-macosx_12_0_arm64',
        '56ecd7d47429acbe1df2694d50b75bf9fc3995ac92cb367cd9af6c4780ead712',
        223_488_205,
        741_843_926,
      ),
    ],
  },
};

const nvidia = (
  name: string,
  version: string,
  platforms: string,
  sha256: string,
  bytes: number,
  unpackedBytes: number,
): WheelPin => ({
  project: `nvidia-${name}-cu12`,
  version,
  file: `nvidia_${name.replaceAll('-', '_')}_cu12-${version}-py3-none-${platforms}.whl`,
  sha256,
  bytes,
  unpackedBytes,
});

const manylinux2010 = 'manylinux2010_x86_64.manylinux_2_12_x86_64';
const manylinux2014 = 'manylinux2014_x86_64.manylinux_2_17_x86_64';

/**
 * What TensorFlow's extra `and-cuda` asks for, at the newest versions that it allows. Its wheels for Linux on ARM are
 * for CPUs.
 */
export const cudaPins: Readonly<Record<string, Pins>> = {
  'linux x64': {
    tensorflow,
    packages: [tfjsNodeGpu, protobuf],
    wheels: [
      tensorflowFor(
        'cp312-cp312-manylinux_2_27_x86_64',
        'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
        572_611_111,
        1_260_059_382,
      ),
      nvidia(
        'cublas',
        '12.9.3.13',
        'manylinux_2_27_x86_64',
        'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72',
        581_217_458,
        854_369_854,
      ),
      nvidia(
        'cuda-cupti',
        '12.9.79',
        'manylinux_2_25_x86_64',
        '096bcf334f13e1984ba36685ad4c1d6347db214de03dbb6eebb237b41d9d934f',
        10_814_997,
        43_425_030,
      ),
      nvidia(
        'cuda-nvcc',
        '12.9.86',
        manylinux2010,
        '5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0',
        40_546_229,
        98_058_022,
      ),
      nvidia(
        'cuda-nvrtc',
        '12.9.86',
        manylinux2010,
        '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4',
        89_568_129,
        113_506_502,
      ),
      nvidia(
        'cuda-runtime',
        '12.9.79',
        manylinux2014,
        '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3',
        3_493_179,
        800_350,
      ),
      nvidia(
        'cudnn',
        '9.28.0.42',
        'manylinux_2_27_x86_64',
        '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375',
        716_538_495,
        1_162_411_646,
      ),
      nvidia(
        'cufft',
        '11.4.1.4',
        manylinux2014,
        'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28',
        200_877_592,
        293_668_678,
      ),
      nvidia(
        'curand',
        '10.3.10.19',
        'manylinux_2_27_x86_64',
        '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e',
        68_295_626,
        167_024_694,
      ),
      nvidia(
        'cusolver',
        '11.7.5.82',
        'manylinux_2_27_x86_64',
        '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88',
        338_117_415,
        495_034_326,
      ),
      nvidia(
        'cusparse',
        '12.5.10.65',
        manylinux2014,
        '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78',
        366_465_088,
        486_615_630,
      ),
      nvidia(
        'nccl',
        '2.32.3',
        'manylinux_2_27_x86_64',
        'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c',
        351_526_311,
        489_655_275,
      ),
      nvidia(
        'nvjitlink',
        '12.9.86',
        manylinux2010,
        'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9',
        39_748_338,
        95_994_606,
      ),
    ],
  },
};
