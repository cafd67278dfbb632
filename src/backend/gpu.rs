//! What the driver's own tool says of the GPU: what it is, and which state it is in.

use std::process::Command;

use crate::run::{Device, GpuState};

/// The GPU that this process uses, if `nvidia-smi` is there to ask.
pub(super) fn device() -> Option<Device> {
    let row = query("--query-gpu=name,uuid,driver_version")?;
    parse_device(&row, &ask(&[])?)
}

/// The state that it is in now.
pub(super) fn state() -> Option<GpuState> {
    let row = query("--query-gpu=clocks.sm,clocks.max.sm,clocks.mem,clocks_event_reasons.active")?;
    parse_state(&row, &query("--query-compute-apps=pid")?)
}

fn query(what: &str) -> Option<String> {
    // The first visible one is device 0 of the process.
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let index = visible.split(',').next().filter(|index| !index.is_empty()).unwrap_or("0");
    ask(&["-i", index, what, "--format=csv,noheader,nounits"])
}

fn ask(arguments: &[&str]) -> Option<String> {
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads the row of a query, and the CUDA version out of the tool's heading.
fn parse_device(row: &str, heading: &str) -> Option<Device> {
    let fields: Vec<&str> = row.trim().split(", ").collect();
    let [name, uuid, driver] = fields[..] else { return None };
    let cuda = heading
        .split_once("CUDA Version: ")
        .and_then(|(_, rest)| rest.split_ascii_whitespace().next().map(str::to_owned));
    Some(Device {
        name: name.to_owned(),
        uuid: Some(uuid.to_owned()),
        driver: Some(driver.to_owned()),
        cuda,
    })
}

/// Reasons for which the driver holds clocks down, by their bits in NVML
/// (`nvmlClocksEventReasons`). An idle GPU, or clocks that somebody set, are none.
const THROTTLING: [(u64, &str); 5] = [
    (0x4, "power cap"),
    (0x8, "hardware slowdown"),
    (0x20, "thermal slowdown by software"),
    (0x40, "thermal slowdown by hardware"),
    (0x80, "power brake"),
];

/// Reads the rows of both queries.
fn parse_state(row: &str, processes: &str) -> Option<GpuState> {
    let fields: Vec<&str> = row.trim().split(", ").collect();
    let [sm, max_sm, memory, reasons] = fields[..] else { return None };
    let reasons = u64::from_str_radix(reasons.trim_start_matches("0x"), 16).ok()?;
    let named = THROTTLING.iter().filter(|(bit, _)| reasons & bit != 0).map(|(_, name)| *name);
    let named: Vec<&str> = named.collect();
    Some(GpuState {
        sm_mhz: sm.parse().ok()?,
        max_sm_mhz: max_sm.parse().ok()?,
        memory_mhz: memory.parse().ok()?,
        throttled: (!named.is_empty()).then(|| named.join(", ")),
        processes: processes.lines().filter(|line| !line.trim().is_empty()).count() as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_drivers_tool_are_read() {
        let heading =
            "| NVIDIA-SMI 580.159.04   Driver Version: 580.159.04   CUDA Version: 13.0     |";
        let device = parse_device("NVIDIA H200, GPU-0c2d1a34-9f6e, 580.159.04\n", heading).unwrap();
        assert_eq!(device.name, "NVIDIA H200");
        assert_eq!(device.uuid.as_deref(), Some("GPU-0c2d1a34-9f6e"));
        assert_eq!(device.cuda.as_deref(), Some("13.0"));
        assert_eq!(parse_device("No devices were found", ""), None);
    }

    #[test]
    fn the_state_names_what_holds_clocks_down_and_counts_processes() {
        let state = |reasons: &str, processes: &str| {
            parse_state(&format!("1980, 1980, 3201, {reasons}\n"), processes).unwrap()
        };
        let quiet = state("0x0000000000000001", "4711\n");
        assert_eq!((quiet.sm_mhz, quiet.throttled, quiet.processes), (1980, None, 1));
        let busy = state("0x0000000000000044", "4711\n4712\n");
        let reason = busy.throttled.unwrap();
        assert_eq!((&reason[..], busy.processes), ("power cap, thermal slowdown by hardware", 2));
        assert_eq!(parse_state("No devices were found", ""), None);
    }
}
