"""Who is out there: etcd keys, lease session, directory, catalogue of collections."""
