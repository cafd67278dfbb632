//! Predictions with one part left out, or replaced by what other simulators have: what each part is worth, and
//! faults that the gate must catch.

/// A part of the prediction of a GPU that is left out or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ablation {
    /// No host time: neither around the step nor for launching.
    NoHost,
    /// GPU time and a constant for everything else: Vidur's form.
    AdditiveConstant,
    /// Host time and launching only.
    HostOnly,
    /// GPU time, and 0.8 ms a layer where a prompt is computed: aiconfigurator's form.
    PerLayerConstant,
    /// Attention as a model with four times as many key heads has it.
    TemplateAttention,
    /// Ops as they are when every layer has the same weights, which then lie in the GPU's caches.
    OneLayerWeights,
    /// No embedding, no LM head.
    NoHead,
    /// No effect of idle time.
    NoIdle,
    /// No residuals.
    NoResiduals,
}

/// aiconfigurator's constant for each layer, ns.
const PER_LAYER_NS: f64 = 0.8e6;
/// Key heads of the template's model for each of ours: 32 of 128 numbers, as Llama 2 7B has.
const TEMPLATE_HEADS: f64 = 4.0;

/// The parts of a predicted step, ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parts {
    /// Schedule, prepare, post.
    pub host: [f64; 3],
    /// From launch to tokens.
    pub device: f64,
    /// The GPU's part of that.
    pub gpu: f64,
    /// Longer after idle time.
    pub idle: f64,
    /// Attention's share of `device`.
    pub attention: f64,
    /// Host time to issue everything.
    pub issue: f64,
    /// The GPU's time for embedding and LM head.
    pub head: f64,
    /// `device`, were all layers the first one.
    pub one_layer: f64,
    /// What an ordinary step takes beside the GPU's own time.
    pub usual_beside_gpu: f64,
    /// The model's layers.
    pub layers: f64,
}

impl Ablation {
    /// What it leaves of a step.
    pub(super) fn apply(self, parts: Parts, chunks: bool) -> Parts {
        let (none, gpu) = ([0.0; 3], parts.gpu);
        match self {
            Self::NoHost => Parts { host: none, device: gpu, ..parts },
            Self::AdditiveConstant => {
                Parts { host: none, device: gpu + parts.usual_beside_gpu, ..parts }
            }
            Self::HostOnly => Parts { device: parts.issue, ..parts },
            Self::PerLayerConstant => {
                let constant = if chunks { PER_LAYER_NS * parts.layers } else { 0.0 };
                Parts { host: none, device: gpu + constant, ..parts }
            }
            Self::TemplateAttention => {
                let more = (TEMPLATE_HEADS - 1.0) * parts.attention;
                Parts { device: parts.device + more, ..parts }
            }
            Self::OneLayerWeights => Parts { device: parts.one_layer, ..parts },
            Self::NoHead => {
                Parts { device: parts.device - parts.head, gpu: gpu - parts.head, ..parts }
            }
            Self::NoIdle => Parts { idle: 0.0, ..parts },
            Self::NoResiduals => parts,
        }
    }
}
