// Is held in each way that JDBC has, and prints the SQLSTATE that it saw for each: "way=STATE", a line each.
// java -cp … Late URL USER:PASSWORD…   each way is tried by the next user: an agent may have few changes open
import java.sql.*;

public class Late {
    interface Way { void run(Connection c) throws SQLException; }

    static String url;
    static String[] args;
    static int next = 1;

    static void way(String name, boolean autocommit, Way way) throws SQLException {
        String user = args[next++].split(":")[0], password = args[next - 1].split(":")[1];
        try (Connection c = DriverManager.getConnection(url, user, password)) {
            c.setAutoCommit(autocommit);
            String state = "none";
            try {
                way.run(c);
            } catch (BatchUpdateException e) {
                state = e.getSQLState();
                for (int count : e.getUpdateCounts()) {
                    if (count >= 0) state += " counted";
                }
            } catch (SQLException e) {
                state = e.getSQLState();
            }
            if (!autocommit) c.rollback();
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT count(*) FROM ten")) {
                r.next();
                System.out.println(name + "=" + state + " " + r.getInt(1));
            }
        }
    }

    static int read(Statement s, String sql) throws SQLException {
        int rows = 0;
        try (ResultSet r = s.executeQuery(sql)) {
            while (r.next()) rows++;
        }
        return rows;
    }

    public static void main(String[] given) throws SQLException {
        url = given[0];
        args = given;
        way("autocommit", true, c -> c.createStatement().executeUpdate("DELETE FROM ten"));
        way("prepared", true, c -> {
            try (PreparedStatement s = c.prepareStatement("DELETE FROM ten WHERE a > ?")) {
                s.setInt(1, 0);
                s.executeUpdate();
            }
        });
        way("prepared on the server", true, c -> {
            try (PreparedStatement s = c.prepareStatement("UPDATE ten SET b = ? WHERE a > ?")) {
                s.unwrap(org.postgresql.PGStatement.class).setPrepareThreshold(1);
                for (int i = 10; i >= 0; i -= 10) {   // none of the rows, and then all
                    s.setString(1, "x");
                    s.setInt(2, i);
                    s.executeUpdate();
                }
            }
        });
        way("transaction", false, c -> {
            c.createStatement().executeUpdate("DELETE FROM ten");
            read(c.createStatement(), "SELECT 1");
            c.commit();
        });
        way("transaction ended by autocommit", false, c -> {
            c.createStatement().executeUpdate("DELETE FROM ten");
            c.setAutoCommit(true);
            c.setAutoCommit(false);
        });
        way("several statements", true, c ->
            c.createStatement().execute("UPDATE ten SET b = 'x' WHERE a = 1; DELETE FROM ten; SELECT 1"));
        way("batch", true, c -> {
            try (Statement s = c.createStatement()) {
                s.addBatch("UPDATE ten SET b = 'x' WHERE a = 1");
                s.addBatch("DELETE FROM ten");
                s.executeBatch();
            }
        });
        way("batch in a transaction", false, c -> {
            try (PreparedStatement s = c.prepareStatement("DELETE FROM ten WHERE a = ?")) {
                for (int i = 1; i <= 10; i++) {
                    s.setInt(1, i);
                    s.addBatch();
                }
                s.executeBatch();
            }
            c.commit();
        });
        way("rows", true, c -> read(c.createStatement(), "DELETE FROM ten RETURNING a"));
        way("rows by pieces", false, c -> {
            try (Statement s = c.createStatement()) {
                s.setFetchSize(3);
                try (ResultSet r = s.executeQuery("DELETE FROM ten RETURNING a")) {
                    r.next();   // and no more: mid-stream
                    c.commit();
                }
            }
        });
    }
}
