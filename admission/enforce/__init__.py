"""What happens after admission: what tenants and operators are shown, kept current."""
