//! What the driver's own tool says of the GPU: its name, its UUID, the driver and the clock rates.

use std::process::Command;

use crate::run::{Clocks, Device};

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// What it is.
    pub device: Device,
    /// How fast it ran when it was asked.
    pub clocks: Option<Clocks>,
}

/// The GPU that this process uses, if `nvidia-smi` is there to ask.
pub(super) fn describe() -> Option<Gpu> {
    // The first visible one is device 0 of the process.
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let index = visible.split(',').next().filter(|index| !index.is_empty()).unwrap_or("0");
    let ask = |arguments: &[&str]| {
        let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let row = ask(&[
        "-i",
        index,
        "--query-gpu=name,uuid,driver_version,clocks.sm,clocks.mem",
        "--format=csv,noheader,nounits",
    ])?;
    parse(&row, &ask(&[]).unwrap_or_default())
}

/// Reads the row of a query, and the CUDA version out of the tool's heading.
fn parse(row: &str, heading: &str) -> Option<Gpu> {
    let fields: Vec<&str> = row.trim().split(", ").collect();
    let [name, uuid, driver, sm, memory] = fields[..] else { return None };
    let cuda = heading
        .split_once("CUDA Version: ")
        .and_then(|(_, rest)| rest.split_ascii_whitespace().next().map(str::to_owned));
    let clocks = (sm.parse().ok()).zip(memory.parse().ok());
    Some(Gpu {
        device: Device {
            name: name.to_owned(),
            uuid: Some(uuid.to_owned()),
            driver: Some(driver.to_owned()),
            cuda,
        },
        clocks: clocks.map(|(sm_mhz, memory_mhz)| Clocks { sm_mhz, memory_mhz }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_drivers_tool_is_read() {
        let row = "NVIDIA H200, GPU-0c2d1a34-9f6e, 580.159.04, 345, 3201\n";
        let heading =
            "| NVIDIA-SMI 580.159.04   Driver Version: 580.159.04   CUDA Version: 13.0     |";
        let gpu = parse(row, heading).unwrap();
        assert_eq!(gpu.device.name, "NVIDIA H200");
        assert_eq!(gpu.device.uuid.as_deref(), Some("GPU-0c2d1a34-9f6e"));
        assert_eq!(gpu.device.cuda.as_deref(), Some("13.0"));
        assert_eq!(gpu.clocks, Some(Clocks { sm_mhz: 345, memory_mhz: 3201 }));
        assert_eq!(parse("No devices were found", ""), None);
    }
}
