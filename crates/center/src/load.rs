//! The policy as it stands at the start, out of the registry's tables: row by
//! row, in one read transaction.

use crate::config::Config;
use crate::error::CenterError;
use iryonet_policy::{LoadError, Loader, Model};
use iryonet_registry::AgreementState;
use iryonet_store::{AgreementQuery, Reader, Store, StoreError};

/// Proposals read at once.
const PAGE: usize = 1_000;

pub(crate) fn model(config: &Config, store: &dyn Store) -> Result<Model, CenterError> {
    let began = std::time::Instant::now();
    let model = iryonet_store::look(store, |reader| {
        let Some(present) = reader.network()? else {
            return Ok(None);
        };
        if present != config.network {
            return Err(StoreError::OtherNetwork {
                present,
                wanted: config.network,
            });
        }
        let mut loader = Model::load(present, reader.tip()?.sequence);
        rows(reader, &mut loader)?;
        Ok(Some(loader.finish()))
    })?
    .ok_or(CenterError::NotInitialised)?;
    tracing::info!(
        counts = ?model.counts(),
        revision = model.revision(),
        took_ms = began.elapsed().as_millis(),
        "the policy is loaded"
    );
    Ok(model)
}

fn rows(reader: &dyn Reader, loader: &mut Loader) -> Result<(), StoreError> {
    let unfit = |error: LoadError| StoreError::given_up(error);
    for gateway in reader.gateways()? {
        loader.gateway(&gateway).map_err(unfit)?;
    }
    reader.each_participant(&mut |row| loader.participant(&row).map_err(unfit))?;
    reader.each_open_service(&mut |row| loader.service(&row).map_err(unfit))?;
    reader.each_line(&mut |row| loader.line(&row).map_err(unfit))?;
    reader.each_unrevoked_device(&mut |row| loader.device(&row).map_err(unfit))?;
    reader.each_accepted_agreement(&mut |row| loader.agreement(&row).map_err(unfit))?;
    // A proposal opens nothing, but the model must know it when it is accepted.
    let proposed = AgreementQuery {
        state: Some(AgreementState::Proposed),
        ..AgreementQuery::default()
    };
    let mut after = None;
    loop {
        let page = reader.agreements(&proposed, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.agreement);
        for row in &page {
            loader.agreement(row).map_err(unfit)?;
        }
    }
}
