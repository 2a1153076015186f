// Which WebGPU adapter does this machine have? Dawn, from the optional npm package `webgpu`, looks for one.
import { messageOf } from '../errors.js';

/** The optional packages of the engine `webgpu`, and the versions that its tests run on. */
export const webgpuPackages = { webgpu: '0.6.2', '@tensorflow/tfjs-backend-webgpu': '4.22.0' } as const;

export const installWebgpu = `npm install ${Object.entries(webgpuPackages)
  .map(([name, version]) => `${name}@${version}`)
  .join(' ')}`;

/** What is used of the WebGPU standard's GPUAdapter and GPUDevice. */
export interface GpuAdapter {
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly isFallbackAdapter: boolean;
  };
  readonly limits: Readonly<Record<string, number>>;
  requestDevice(description: {
    readonly requiredLimits: Readonly<Record<string, number>>;
  }): Promise<GpuDevice>;
}

export interface GpuDevice {
  /** Resolves when the device is gone. */
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  addEventListener(type: 'uncapturederror', listener: (event: GpuErrorEvent) => void): void;
  destroy(): void;
}

export interface GpuErrorEvent {
  readonly error: { readonly message: string; readonly constructor: { readonly name: string } };
  preventDefault(): void;
}

/** An adapter, or why there is none and what would help. */
export type FoundAdapter =
  | {
      readonly adapter: GpuAdapter;
      /** What the adapter came from; Dawn lives as long as it is held. */
      readonly gpu: object;
      /** Its name, and whether it is software, for people. */
      readonly name: string;
      /** Computes on the CPU: right, and slow. */
      readonly isSoftware: boolean;
    }
  | { readonly why: string; readonly remedy: string };

interface DawnModule {
  readonly create: (flags: readonly string[]) => {
    requestAdapter(options: object): Promise<GpuAdapter | null>;
  };
  readonly globals: Readonly<Record<string, unknown>>;
}

/** Looks for an adapter, the fastest first. Each is good for one device. Never throws; nothing is computed. */
export async function findAdapter(load: () => Promise<unknown> = loadDawn): Promise<FoundAdapter> {
  try {
    const { create, globals } = (await load()) as DawnModule;
    defineGlobals(globals);
    const gpu = create([]);
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter)
      return {
        why: 'Dawn finds no adapter',
        remedy: 'install the driver of the GPU (on Linux its Vulkan driver and libvulkan1)',
      };
    const { description, device, architecture, vendor, isFallbackAdapter } = adapter.info;
    const given = description || device || architecture || vendor || 'an adapter without a name';
    const name = isFallbackAdapter ? `${given}, a software adapter` : given;
    return { adapter, gpu, name, isSoftware: isFallbackAdapter };
  } catch (error) {
    if (isMissing(error))
      return { why: "the optional package 'webgpu' is not installed", remedy: installWebgpu };
    return {
      why: `the package 'webgpu' does not work here: ${messageOf(error)}`,
      remedy: `reinstall it (${installWebgpu}); it needs Linux x86-64 or arm64, macOS or Windows`,
    };
  }
}

/** Named indirectly: the package is optional, and so are its types. */
function loadDawn(): Promise<unknown> {
  const name: string = 'webgpu';
  return import(name);
}

/** Whether an import failed as the package itself is not there. */
export function isMissing(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}

/** The constants and classes of WebGPU, which backends take from the global scope; what stands there stays. */
function defineGlobals(globals: DawnModule['globals']): void {
  for (const [name, value] of Object.entries(globals))
    if (!(name in globalThis))
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
