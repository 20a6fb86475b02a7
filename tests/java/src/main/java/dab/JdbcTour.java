package dab;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;

/**
 * What a BI tool does with a JDBC driver: connect, look around, write with bound parameters, read back, meet an error.
 *
 * <p>Prints one line {@code name: value} for each finding; the Python test that starts it knows what they must be.
 * Arguments: the JDBC URL (TLS root, user and password included) and a table name that is free to use.
 */
public final class JdbcTour {
  private JdbcTour() {}

  public static void main(String[] arguments) throws SQLException {
    String table = arguments[1];
    try (Connection connection = DriverManager.getConnection(arguments[0])) {
      lookAround(connection);
      write(connection, table);
      read(connection, table);
      describe(connection, table);
      meetAnError(connection);
    }
  }

  private static void lookAround(Connection connection) throws SQLException {
    DatabaseMetaData metaData = connection.getMetaData();
    say("product", metaData.getDatabaseProductName());
    say("catalogs", column(metaData.getCatalogs(), "TABLE_CAT"));
    say("schemas", column(metaData.getSchemas(), "TABLE_SCHEM"));
    say("types", column(metaData.getTableTypes(), "TABLE_TYPE"));
    say("valid", connection.isValid(10));
  }

  private static void write(Connection connection, String table) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate(
          "CREATE TABLE " + table + " (id BIGINT NOT NULL, label VARCHAR, price DECIMAL(12, 2), day DATE, x DOUBLE)");
    }
    String insert = "INSERT INTO " + table + " VALUES (?, ?, ?, ?, ?)";
    try (PreparedStatement statement = connection.prepareStatement(insert)) {
      bind(statement, 1, "eins", "1.10", "2026-01-31", 0.5);
      say("updated", statement.executeUpdate());
      for (int id = 2; id <= 4; id++) {
        bind(statement, id, id == 4 ? null : "Zahl " + id + " 数", id + ".25", "2026-02-0" + id, id / 8.0);
        statement.addBatch();
      }
      int rows = 0;
      for (int count : statement.executeBatch()) {
        rows += Math.max(count, 0);
      }
      say("batched", rows);
    }
  }

  private static void bind(PreparedStatement statement, long id, String label, String price, String day, double x)
      throws SQLException {
    statement.setLong(1, id);
    if (label == null) {
      statement.setNull(2, Types.VARCHAR);
    } else {
      statement.setString(2, label);
    }
    statement.setBigDecimal(3, new BigDecimal(price));
    statement.setDate(4, Date.valueOf(day));
    statement.setDouble(5, x);
  }

  private static void read(Connection connection, String table) throws SQLException {
    String all = "SELECT id, label, price, CAST(day AS VARCHAR) AS day, x FROM " + table + " ORDER BY id";
    try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(all)) {
      while (rows.next()) {
        String row = rows.getString(2) + "|" + rows.getBigDecimal(3) + "|" + rows.getString(4) + "|" + rows.getDouble(5);
        say("row " + rows.getLong(1), row);
      }
    }
    String one = "SELECT label FROM " + table + " WHERE id = ? AND price > ?";
    try (PreparedStatement statement = connection.prepareStatement(one)) {
      statement.setLong(1, 3);
      statement.setBigDecimal(2, new BigDecimal("1.00"));
      say("selected", column(statement.executeQuery(), "label"));
    }
  }

  private static void describe(Connection connection, String table) throws SQLException {
    DatabaseMetaData metaData = connection.getMetaData();
    say("table", column(metaData.getTables(null, null, table, null), "TABLE_NAME"));
    say("in schema", column(metaData.getTables(null, "public", table, new String[] {"TABLE"}), "TABLE_SCHEM"));
    say("columns", column(metaData.getColumns(null, null, table, "%"), "COLUMN_NAME"));
    say("column types", column(metaData.getColumns(null, null, table, "%"), "DATA_TYPE"));
  }

  private static void meetAnError(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.executeQuery("SELECT * FROM no_such_table");
      say("error", "none");
    } catch (SQLException error) {
      say("error", error.getMessage().replace('\n', ' '));
    }
    try (Statement statement = connection.createStatement()) {
      say("afterwards", column(statement.executeQuery("SELECT 42 AS answer"), "answer"));
    }
  }

  private static String column(ResultSet rows, String name) throws SQLException {
    StringBuilder values = new StringBuilder();
    try (rows) {
      while (rows.next()) {
        values.append(values.isEmpty() ? "" : ",").append(rows.getString(name));
      }
    }
    return values.toString();
  }

  private static void say(String name, Object value) {
    System.out.println(name + ": " + value);
  }
}
