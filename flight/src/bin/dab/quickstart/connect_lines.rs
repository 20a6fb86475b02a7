//! How stock clients connect, ready to paste.

use anyhow::{Context, Result};

use crate::data_dir::DataDir;
use crate::output::print_line;

/// Prints a Python program for ADBC and Java lines for JDBC. The password stays in its file. Paths are absolute, so that
/// they work from any folder.
pub(crate) fn print(dir: &DataDir, url: &str) -> Result<()> {
    let absolute = |path: std::path::PathBuf| path.canonicalize().map(|path| path.display().to_string());
    let token = absolute(dir.admin_token()).context("cannot find the password")?;
    let address = url.rsplit("://").next().unwrap_or(url);
    let encrypted = url.starts_with("grpc+tls://");

    print_line!("Python (pip install adbc-driver-flightsql pyarrow):\n");
    print_line!("import adbc_driver_flightsql.dbapi as flight_sql");
    print_line!("connection = flight_sql.connect(");
    print_line!("    {url:?},");
    print_line!("    db_kwargs={{");
    print_line!("        \"username\": \"admin\",");
    print_line!("        \"password\": open({token:?}).read().strip(),");
    if encrypted {
        let ca = absolute(dir.ca()).context("cannot find the certificate authority")?;
        print_line!("        \"adbc.flight.sql.client_option.tls_root_certs\": open({ca:?}).read(),");
    }
    print_line!("    }},");
    print_line!("    autocommit=True,");
    print_line!(")");
    print_line!("cursor = connection.cursor()");
    print_line!("cursor.execute(\"SELECT count(*) FROM lineitem\")");
    print_line!("print(cursor.fetchone())\n");

    print_line!("Java (jshell with org.apache.arrow:flight-sql-jdbc-driver in its class path and");
    print_line!("-R--add-opens=java.base/java.nio=ALL-UNNAMED); a BI tool takes the URL, the user");
    print_line!("admin and the password in the file:\n");
    let tls = match encrypted {
        true => {
            let ca = absolute(dir.ca()).context("cannot find the certificate authority")?;
            format!("true&tlsRootCerts={}", in_url(&ca))
        }
        false => "false".to_owned(),
    };
    print_line!("String password = java.nio.file.Files.readString(java.nio.file.Path.of(");
    print_line!("    {token:?})).strip()");
    print_line!("var connection = java.sql.DriverManager.getConnection(");
    print_line!("    \"jdbc:arrow-flight-sql://{address}/?useEncryption={tls}\",");
    print_line!("    \"admin\", password)");
    print_line!("var rows = connection.createStatement().executeQuery(");
    print_line!("    \"SELECT count(*) FROM lineitem\")");
    print_line!("rows.next()");
    print_line!("System.out.println(rows.getLong(1))");
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
