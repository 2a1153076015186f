// What does the user see of what was inspected?
import { unreachable } from '../../errors.js';
import type { Inspected } from '../../inspect/inspect.js';
import type { Terminal } from '../terminal.js';
import { showBackbone, showBackboneConfig, showUnfitBackbone } from './backbone.js';
import {
  showBundle,
  showBundleHeads,
  showCheckpoint,
  showErrorTable,
  showHeads,
  showLora,
  showOnnxGraphs,
  showSchedule,
  showUncertainty,
} from './made.js';
import {
  showCalibrationFacts,
  showErrorPartFacts,
  showEvaluationFacts,
  showFeatures,
  showSensitivityFacts,
  showFrontFacts,
  showTrajectoriesFacts,
} from './measured.js';
import { showRun } from './run.js';
import { showCaptions, showConfig, showLatents } from './stores.js';
import { showTensors, showVae, showVaeConfig } from './tensors.js';

export function show(facts: Inspected, terminal: Terminal): void {
  switch (facts.kind) {
    case 'backbone':
      return showBackbone(facts, terminal);
    case 'unfit backbone':
      return showUnfitBackbone(facts, terminal);
    case 'backbone config':
      return showBackboneConfig(facts, terminal);
    case 'autoencoder':
      return showVae(facts, terminal);
    case 'autoencoder config':
      return showVaeConfig(facts, terminal);
    case 'tensors':
      return showTensors(facts, terminal);
    case 'heads':
      return showHeads(facts, terminal);
    case 'heads of a bundle':
      return showBundleHeads(facts, terminal);
    case 'uncertainty heads':
      return showUncertainty(facts, terminal);
    case 'low-rank additions':
      return showLora(facts, terminal);
    case 'training checkpoint':
      return showCheckpoint(facts, terminal);
    case 'onnx graphs':
      return showOnnxGraphs(facts, terminal);
    case 'schedule':
      return showSchedule(facts, terminal);
    case 'error table':
      return showErrorTable(facts, terminal);
    case 'sensitivities':
      return showSensitivityFacts(facts, terminal);
    case 'trajectories':
      return showTrajectoriesFacts(facts, terminal);
    case 'front':
      return showFrontFacts(facts, terminal);
    case 'part of an error table':
      return showErrorPartFacts(facts, terminal);
    case 'calibration':
      return showCalibrationFacts(facts, terminal);
    case 'evaluation':
      return showEvaluationFacts(facts, terminal);
    case 'features':
      return showFeatures(facts, terminal);
    case 'bundle':
      return showBundle(facts, terminal);
    case 'run':
      return showRun(facts, terminal);
    case 'latents':
      return showLatents(facts, terminal);
    case 'captions':
      return showCaptions(facts, terminal);
    case 'config':
      return showConfig(facts, terminal);
    default:
      return unreachable(facts);
  }
}
