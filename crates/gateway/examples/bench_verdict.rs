//! `iryonet bench verdict`, without the rest of the binary:
//! `bench_verdict [INSTITUTIONS GRANTS FLOWS]`.

use iryonet_gateway::bench::verdict::{Options, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = std::env::args().skip(1).map(|size| size.parse::<u32>());
    let mut next = |default: u32| sizes.next().unwrap_or(Ok(default));
    let default = Options::default();
    let options = Options {
        institutions: next(default.institutions)?,
        grants: next(default.grants)?,
        flows: next(default.flows)?,
    };
    let report = run(&options)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
