//! KV blocks of a replica as Vidur plans them (vidur/scheduler/utils/memory_planner.py and
//! vidur/utils/param_counter.py): what memory is left beside the weights, in requests of the greatest length.

use crate::model::ModelShape;

/// What the plan depends on beside the model's shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub total_gb: f64,
    pub margin_fraction: f64,
    pub gated_mlp: bool,
    pub tensor_parallel: u32,
    pub pipeline_parallel: u32,
    pub max_request_tokens: u32,
}

impl Memory {
    /// Requests of the greatest length that fit; 0 where not even one does.
    pub fn requests(&self, shape: &ModelShape) -> u32 {
        let available = self.total_gb * 1_073_741_824.0 * (1.0 - self.margin_fraction);
        let left = available - 2.0 * self.parameters(shape);
        (left / self.kv_bytes_of_request(shape)).floor().max(0.0) as u32
    }

    /// Of one device, without embedding and LM head.
    fn parameters(&self, shape: &ModelShape) -> f64 {
        let (hidden, heads) = (f64::from(shape.hidden_size), self.heads(shape));
        let attention = hidden * self.head_dim(shape) * (2.0 * heads + 2.0 * self.kv_heads(shape));
        let matrices = if self.gated_mlp { 3.0 } else { 2.0 };
        let workers = f64::from(self.tensor_parallel);
        let mlp = matrices * hidden * f64::from(shape.intermediate_size) / workers;
        (attention + mlp.floor()) * f64::from(shape.layers / self.pipeline_parallel)
    }

    /// Keys and values of two bytes. Vidur counts all layers, also where a stage has only some.
    fn kv_bytes_of_request(&self, shape: &ModelShape) -> f64 {
        let token = 2.0 * 2.0 * self.head_dim(shape) * self.kv_heads(shape);
        token * f64::from(self.max_request_tokens) * f64::from(shape.layers)
    }

    fn head_dim(&self, shape: &ModelShape) -> f64 {
        f64::from(shape.hidden_size / shape.heads)
    }

    fn heads(&self, shape: &ModelShape) -> f64 {
        f64::from(shape.heads / self.tensor_parallel)
    }

    fn kv_heads(&self, shape: &ModelShape) -> f64 {
        f64::from(shape.kv_heads.div_ceil(self.tensor_parallel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codellama_34b_on_two_a100_has_the_blocks_that_vidur_plans() {
        let shape = ModelShape {
            layers: 48,
            heads: 64,
            kv_heads: 8,
            hidden_size: 8192,
            intermediate_size: 22_016,
            max_positions: 16_384,
            post_attention_norm: true,
        };
        let memory = Memory {
            total_gb: 80.0,
            margin_fraction: 0.1,
            gated_mlp: true,
            tensor_parallel: 2,
            pipeline_parallel: 1,
            max_request_tokens: 4096,
        };
        // 27,904 blocks of 16 tokens, at 256 a request.
        assert_eq!(memory.requests(&shape), 109);
    }
}
