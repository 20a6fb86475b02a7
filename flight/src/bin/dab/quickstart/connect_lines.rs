//! How stock clients connect, ready to paste.

use anyhow::{Context, Result};

use crate::data_dir::DataDir;

/// Prints a Python program for ADBC and Java lines for JDBC. The password stays in its file. Paths are absolute, so that
/// they work from any folder.
pub(crate) fn print(dir: &DataDir, url: &str) -> Result<()> {
    let absolute = |path: std::path::PathBuf| path.canonicalize().map(|path| path.display().to_string());
    let token = absolute(dir.admin_token()).context("cannot find the password")?;
    let address = url.rsplit("://").next().unwrap_or(url);
    let encrypted = url.starts_with("grpc+tls://");

    println!("Python (pip install adbc-driver-flightsql pyarrow):\n");
    println!("import adbc_driver_flightsql.dbapi as flight_sql");
    println!("connection = flight_sql.connect(");
    println!("    {url:?},");
    println!("    db_kwargs={{");
    println!("        \"username\": \"admin\",");
    println!("        \"password\": open({token:?}).read().strip(),");
    if encrypted {
        let ca = absolute(dir.ca()).context("cannot find the certificate authority")?;
        println!("        \"adbc.flight.sql.client_option.tls_root_certs\": open({ca:?}).read(),");
    }
    println!("    }},");
    println!("    autocommit=True,");
    println!(")");
    println!("cursor = connection.cursor()");
    println!("cursor.execute(\"SELECT count(*) FROM lineitem\")");
    println!("print(cursor.fetchone())\n");

    println!("Java (jshell with org.apache.arrow:flight-sql-jdbc-driver in its class path and");
    println!("-R--add-opens=java.base/java.nio=ALL-UNNAMED); a BI tool takes the URL, the user");
    println!("admin and the password in the file:\n");
    let tls = match encrypted {
        true => {
            let ca = absolute(dir.ca()).context("cannot find the certificate authority")?;
            format!("true&tlsRootCerts={}", in_url(&ca))
        }
        false => "false".to_owned(),
    };
    println!("String password = java.nio.file.Files.readString(java.nio.file.Path.of(");
    println!("    {token:?})).strip()");
    println!("var connection = java.sql.DriverManager.getConnection(");
    println!("    \"jdbc:arrow-flight-sql://{address}/?useEncryption={tls}\",");
    println!("    \"admin\", password)");
    println!("var rows = connection.createStatement().executeQuery(");
    println!("    \"SELECT count(*) FROM lineitem\")");
    println!("rows.next()");
    println!("System.out.println(rows.getLong(1))");
    Ok(())
}

/// A path inside the query of a URL.
fn in_url(path: &str) -> String {
    // The only characters that end a value or begin an escape there; a driver takes all others as they are.
    ["%", "&", "#", "+", " "]
        .iter()
        .fold(path.to_owned(), |text, character| {
            text.replace(character, &format!("%{:02X}", character.as_bytes()[0]))
        })
}
