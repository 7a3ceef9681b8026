//! Names of datasets, the same as other programs give them. Source: "Naming conventions" of the OpenLineage documentation.

/// What identifies a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dataset {
    pub(super) namespace: String,
    pub(super) name: String,
}

pub(super) fn object(bucket: &str, key: &str) -> Dataset {
    Dataset { namespace: format!("s3://{bucket}"), name: key.to_owned() }
}

/// A blob of Azure by its address, `https://account.blob.core.windows.net/container/name`; an emulator has the account in the path.
pub(super) fn blob(uri: &str) -> Dataset {
    let address = uri.split_once("://").map_or(uri, |(_, address)| address);
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let is_emulator = host.split_once(':').is_some_and(|(name, _)| name == "localhost" || name.parse::<std::net::IpAddr>().is_ok());
    let path = if is_emulator { path.split_once('/').map_or("", |(_, path)| path) } else { path };
    let (container, name) = path.split_once('/').unwrap_or((path, ""));
    Dataset { namespace: format!("wasbs://{container}@{}", host.replacen(".blob.", ".dfs.", 1)), name: name.to_owned() }
}

/// A table by the JDBC address of its database, `jdbc:redshift://host:port/database`.
pub(super) fn table(jdbc_url: &str, schema: &str, table: &str) -> Dataset {
    let address = jdbc_url.trim_start_matches("jdbc:");
    let (scheme, rest) = address.split_once("://").unwrap_or(("redshift", address));
    let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
    let namespace = match scheme {
        "postgresql" => format!("postgres://{}", with_port(host, "5432")),
        _ => format!("redshift://{}", with_port(&cluster(host), "5439")),
    };
    Dataset { namespace, name: format!("{database}.{schema}.{table}") }
}

/// `cluster.region:port` of an endpoint of Redshift: `workgroup.account.region.redshift-serverless.amazonaws.com:port`, or
/// `cluster.id.region.redshift.amazonaws.com:port`. Any other host stays.
fn cluster(host: &str) -> String {
    let (name, port) = host.split_once(':').map_or((host, String::new()), |(name, port)| (name, format!(":{port}")));
    let labels: Vec<&str> = name.split('.').collect();
    match labels.as_slice() {
        [cluster, _, region, "redshift" | "redshift-serverless", ..] => format!("{cluster}.{region}{port}"),
        _ => host.to_owned(),
    }
}

fn with_port(host: &str, port: &str) -> String {
    if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_named_as_others_name_it() {
        let check = |dataset: Dataset, namespace: &str, name: &str| {
            assert_eq!((dataset.namespace.as_str(), dataset.name.as_str()), (namespace, name));
        };
        check(object("landing", "a/customers.csv"), "s3://landing", "a/customers.csv");
        let azure = "wasbs://transactions@shop.dfs.core.windows.net";
        check(blob("https://shop.blob.core.windows.net/transactions/2026/11/t.json"), azure, "2026/11/t.json");
        check(blob("https://shop.blob.core.windows.net/transactions/"), azure, "");
        check(blob("http://127.0.0.1:10000/devstoreaccount1/transactions/t.json"), "wasbs://transactions@127.0.0.1:10000", "t.json");
        let named = |url: &str| table(url, "analytics", "orders");
        let serverless = "jdbc:redshift://nightly.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439/dev";
        check(named(serverless), "redshift://nightly.eu-west-1:5439", "dev.analytics.orders");
        let cluster = "jdbc:redshift://c1.abc123.us-east-1.redshift.amazonaws.com/dev";
        check(named(cluster), "redshift://c1.us-east-1:5439", "dev.analytics.orders");
        check(named("jdbc:redshift://warehouse.internal:5555/dev"), "redshift://warehouse.internal:5555", "dev.analytics.orders");
        check(named("jdbc:postgresql://127.0.0.1:41234/dev"), "postgres://127.0.0.1:41234", "dev.analytics.orders");
        check(named("jdbc:postgresql://pg/dev"), "postgres://pg:5432", "dev.analytics.orders");
    }
}
